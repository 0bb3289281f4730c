//! Meshes of even and odd numbers of modes, with fewer shots than modes and with more.

use twinprop_devices::optical::{MziMesh, MziMeshConfig};

use crate::equation_agrees;

#[test]
fn meshes_agree() {
    for (modes, shots) in [(2, 1), (2, 7), (3, 2), (3, 7), (7, 5), (7, 37), (16, 1), (16, 37)] {
        let errors = MziMeshConfig {
            modes,
            splitter_error: 0.1,
            phase_error: 0.1,
            crosstalk: 0.02,
            loss_db: 0.2,
            ..Default::default()
        };
        let saturated = MziMeshConfig { full_scale: 0.3, ..errors.clone() };
        for (case, config) in [("errors", errors), ("saturated", saturated)] {
            let mesh = MziMesh::fabricated(&config, 0.05, 3).unwrap();
            equation_agrees(&mesh, shots, 0.9, &format!("{case}, {modes} modes, {shots} shots"));
        }
    }
}

#[test]
fn a_perfect_mesh_agrees() {
    let config = MziMeshConfig { modes: 16, ..Default::default() };
    let mesh = MziMesh::nominal(&config).unwrap();
    equation_agrees(&mesh, 37, 0.9, "perfect");
}
