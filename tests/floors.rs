//! The architecture as a test: which file may use which.
//!
//! The modules of the package `twinprop` are arranged in floors; a file uses its own floor and lower ones, never a higher
//! one. In all three crates, no files use each other in a circle. No file, tests included, is longer
//! than [`LONGEST`].

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The floors of `twinprop`, from the top; modules on one line may use each other.
const FLOORS: [&[&str]; 10] = [
    &["main", "cli"],
    &["view"],
    &["report"],
    &["nir"],
    &["experiment"],
    &["training"],
    &["rules"],
    &["network"],
    &["loss", "data"],
    &["backend", "error", "counted"],
];

/// Most lines of a file.
const LONGEST: usize = 450;

/// A crate's sources by module path, such as `network::stage`; the root has the empty path.
struct Sources {
    files: BTreeMap<Vec<String>, Source>,
}

/// One file.
struct Source {
    path: PathBuf,
    lines: usize,
    /// Paths that it uses, from the crate's root.
    uses: BTreeSet<Vec<String>>,
    /// Names that it re-exports, with their original paths.
    exports: BTreeMap<String, Vec<String>>,
    /// Macros that it exports at the crate's root.
    macros: Vec<String>,
}

impl Sources {
    /// Reads the sources of a crate in `folder`.
    fn read(folder: &Path) -> Self {
        let mut files = BTreeMap::new();
        for path in rust_files(folder) {
            let inner = path.strip_prefix(folder).unwrap().with_extension("");
            let mut module: Vec<String> =
                inner.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            if ["mod", "lib"].contains(&module.last().unwrap().as_str()) {
                module.pop();
            }
            let text = fs::read_to_string(&path).unwrap();
            files.insert(module.clone(), Source::parse(path, &text, &module));
        }
        Self { files }
    }

    /// The module that defines the item with the path `of`.
    fn definition(&self, of: &[String]) -> Option<&Vec<String>> {
        let mut of = of.to_vec();
        // Follows re-exports; a circular re-export has no definition.
        for _ in 0..10 {
            let depth =
                (0..=of.len()).rev().find(|&depth| self.files.contains_key(&of[..depth]))?;
            let (module, source) = self.files.get_key_value(&of[..depth])?;
            let Some(name) = of.get(depth) else { return Some(module) };
            match source.exports.get(name) {
                Some(target) => of = target.iter().chain(&of[depth + 1..]).cloned().collect(),
                None if depth == 0 => {
                    let defines = |(_, source): &(_, &Source)| source.macros.contains(name);
                    return self.files.iter().find(defines).map(|(module, _)| module);
                }
                None => return Some(module),
            }
        }
        None
    }

    /// The files that each file uses.
    fn used_files(&self) -> BTreeMap<&Vec<String>, BTreeSet<&Vec<String>>> {
        let of = |(module, source): (_, &Source)| {
            let targets = source.uses.iter().filter_map(|path| self.definition(path));
            let others = targets.filter(|&target| target != module);
            (module, others.collect())
        };
        self.files.iter().map(of).collect()
    }

    /// Groups of files that use each other.
    fn circles(&self) -> Vec<Vec<String>> {
        let used = self.used_files();
        let reach = |from: &Vec<String>| {
            let mut seen = BTreeSet::new();
            let mut next: Vec<&Vec<String>> = used[from].iter().copied().collect();
            while let Some(module) = next.pop() {
                if seen.insert(module) {
                    next.extend(&used[module]);
                }
            }
            seen
        };
        let reached: BTreeMap<_, _> = self.files.keys().map(|from| (from, reach(from))).collect();
        let mut groups = BTreeSet::new();
        for (from, to) in &reached {
            let circle: Vec<String> = to
                .iter()
                .filter(|other| reached[**other].contains(*from))
                .map(|module| module.join("::"))
                .collect();
            if to.contains(*from) {
                groups.insert(circle);
            }
        }
        groups.into_iter().collect()
    }

    /// Uses of a higher floor, as `FILE uses FILE`.
    fn upward(&self) -> Vec<String> {
        let floor = |module: &[String]| {
            let top = module.first()?;
            FLOORS.iter().position(|modules| modules.contains(&top.as_str()))
        };
        let mut found = Vec::new();
        for (from, targets) in self.used_files() {
            for to in targets {
                if let (Some(own), Some(other)) = (floor(from), floor(to))
                    && other < own
                {
                    found.push(format!("{} uses {}", from.join("::"), to.join("::")));
                }
            }
        }
        found
    }

    /// Files that are too long, with their line counts.
    fn long(&self) -> Vec<String> {
        let files = self.files.values().filter(|source| source.lines > LONGEST);
        files.map(|source| format!("{}: {} lines", source.path.display(), source.lines)).collect()
    }
}

impl Source {
    fn parse(path: PathBuf, text: &str, module: &[String]) -> Self {
        let lines = text.lines().count();
        // Unit tests may use everything.
        let tested = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
        let code: String = text[..tested].lines().map(without_comment).collect();
        let (mut uses, mut exports) = (BTreeSet::new(), BTreeMap::new());
        let mut rest = code.as_str();
        let mut others = String::new();
        while let Some(start) = find_use(rest) {
            let end = start + rest[start..].find(';').unwrap_or(rest.len() - start);
            let before = rest[..start].trim_end();
            others += before;
            let is_export =
                before.ends_with("pub") || before.ends_with(')') && before.contains("pub(");
            for (name, target) in expand(&rest[start + 4..end]) {
                let Some(target) = absolute(&target, module) else { continue };
                if is_export {
                    exports.insert(name, target);
                } else {
                    uses.insert(target);
                }
            }
            rest = &rest[end..];
        }
        others += rest;
        for start in ["crate::", "super::", "twinprop::"] {
            for (place, _) in others.match_indices(start) {
                let is_path =
                    |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
                let inside = others[..place].ends_with(is_path);
                let path: String = others[place..].chars().take_while(|&c| is_path(c)).collect();
                let parts: Vec<String> = path.split("::").map(str::to_owned).collect();
                if let (false, Some(target)) = (inside, absolute(&parts, module)) {
                    uses.insert(target);
                }
            }
        }
        let macros = text.match_indices("macro_rules! ").map(|(place, word)| {
            text[place + word.len()..].chars().take_while(|c| c.is_alphanumeric()).collect()
        });
        let macros = macros.collect();
        Self { path, lines, uses, exports, macros }
    }
}

/// `line` without its comment.
fn without_comment(line: &str) -> String {
    let code = line.trim_start();
    if code.starts_with("//") { "\n".to_owned() } else { line.to_owned() + "\n" }
}

/// Where the next `use` statement begins.
fn find_use(code: &str) -> Option<usize> {
    code.match_indices("use ").map(|(place, _)| place).find(|&place| {
        let before = &code[..place];
        before.trim_end_matches(' ').ends_with(['\n', ';'])
            || before.is_empty()
            || before.ends_with("pub ")
            || before.ends_with(") ")
    })
}

/// The names in the tree of a `use` statement, each with its path.
fn expand(tree: &str) -> Vec<(String, Vec<String>)> {
    let tree = tree.trim();
    if let Some((head, inner)) = tree.split_once('{').filter(|(head, _)| !head.contains(',')) {
        let inner = inner.trim_end().strip_suffix('}').unwrap_or(inner);
        let head: Vec<String> = parts(head.trim_end_matches("::"));
        let mut depth = 0;
        let branches = inner.split(|letter| {
            depth += i32::from(letter == '{') - i32::from(letter == '}');
            letter == ',' && depth == 0
        });
        let branches: Vec<&str> = branches.filter(|branch| !branch.trim().is_empty()).collect();
        return branches
            .into_iter()
            .flat_map(expand)
            .map(|(name, path)| {
                let path = if path == ["self"] { Vec::new() } else { path };
                (name, head.iter().cloned().chain(path).collect())
            })
            .collect();
    }
    let (path, name) = tree.split_once(" as ").unwrap_or((tree, ""));
    let path = parts(path);
    let name = if name.is_empty() {
        path.last().cloned().unwrap_or_default()
    } else {
        name.trim().to_owned()
    };
    vec![(name, path)]
}

fn parts(path: &str) -> Vec<String> {
    path.split("::").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// Resolves `path` in `module` to a path from the crate's root.
fn absolute(path: &[String], module: &[String]) -> Option<Vec<String>> {
    match path.first()?.as_str() {
        // The binary uses the library by its name.
        "crate" | "twinprop" => Some(path[1..].to_vec()),
        "self" => Some([module, &path[1..]].concat()),
        "super" => {
            let up = path.iter().take_while(|part| *part == "super").count();
            let kept = module.len().checked_sub(up)?;
            Some([&module[..kept], &path[up..]].concat())
        }
        // A child of this module. A path into another crate has no file here, and counts as the module itself.
        _ => Some([module, path].concat()),
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn crates() -> [Sources; 3] {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["src", "calibration/src", "devices/src"].map(|folder| Sources::read(&root.join(folder)))
}

#[test]
fn no_file_uses_a_higher_floor() {
    let [twinprop, ..] = crates();
    assert!(twinprop.files.len() > 100, "the sources are read");
    assert!(
        twinprop.used_files().values().map(BTreeSet::len).sum::<usize>() > 300,
        "so are their uses"
    );
    let upward = twinprop.upward();
    assert!(upward.is_empty(), "{}", upward.join("\n"));
}

#[test]
fn every_module_has_a_floor() {
    let [twinprop, ..] = crates();
    for module in twinprop.files.keys().filter_map(|path| path.first()) {
        assert!(
            FLOORS.concat().contains(&module.as_str()),
            "{module} has no floor; add it to FLOORS"
        );
    }
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let circles: Vec<String> =
        crates().iter().flat_map(Sources::circles).map(|circle| circle.join(", ")).collect();
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn no_file_is_longer_than_the_limit() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let others = ["tests", "examples", "bench/src", "calibration/tests", "devices/tests"];
    let others = others.map(|folder| Sources::read(&root.join(folder)));
    let long: Vec<String> = crates().iter().chain(&others).flat_map(Sources::long).collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}
