//! Long sums.

use burn::tensor::Tensor;
use twinprop_calibration::bridge::from_vec;
use twinprop_calibration::tensors::total;

use crate::backends;

#[test]
fn a_total_sums_all_values() {
    for (device, _) in backends() {
        for count in [1, 2, 9, 1000] {
            let values = (0..count).map(|place| place as f32).collect();
            let values: Tensor<2> = from_vec(values, [1, count], &device);
            let total: f32 = total(values).into_scalar();
            assert_eq!(total, (count * (count - 1) / 2) as f32, "{count} values");
        }
    }
}
