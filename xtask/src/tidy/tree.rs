//! The files of the project: what lies at the top level, and which files the checks read.

use std::fs;
use std::path::{Path, PathBuf};

use crate::tidy::Finding;
use crate::tool;

/// What may lie at the top level, dotfiles aside.
const TOP: [&str; 7] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "crates",
    "docs",
    "xtask",
];

/// The top level holds exactly [`TOP`], dotfiles, and build output.
pub(super) fn top_level() -> Result<Finding, String> {
    let mut names: Vec<String> = entries(tool::root())?
        .iter()
        .filter_map(|path| name(path))
        .collect();
    names.sort();
    Ok(Finding::problems(compare(&names)))
}

fn compare(names: &[String]) -> Vec<String> {
    let allowed =
        |name: &str| TOP.contains(&name) || name.starts_with('.') || name.starts_with("target");
    let extra = names.iter().filter(|name| !allowed(name));
    let missing = TOP
        .iter()
        .filter(|wanted| !names.iter().any(|name| name == *wanted));
    let extra = extra.map(|name| format!("{name} does not belong at the top level"));
    extra
        .chain(missing.map(|name| format!("{name} is missing")))
        .collect()
}

/// Every file below `folders` of the root whose name ends in `ending`, sorted.
pub(crate) fn files(folders: &[impl AsRef<Path>], ending: &str) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = folders
        .iter()
        .map(|folder| tool::root().join(folder))
        .collect();
    while let Some(folder) = open.pop() {
        for path in entries(&folder)? {
            if path.is_dir() {
                open.extend(is_source(&path).then_some(path));
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a folder can hold files of ours, rather than what tools put there.
fn is_source(folder: &Path) -> bool {
    name(folder).is_some_and(|name| {
        !name.starts_with('.') && !["target", "corpus", "artifacts"].contains(&name.as_str())
    })
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let told = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(told)? {
        paths.push(entry.map_err(told)?.path());
    }
    Ok(paths)
}

fn name(path: &Path) -> Option<String> {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
}

/// The path as the root sees it, for messages.
pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(tool::root())
        .unwrap_or(path)
        .display()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_and_gaps_at_the_top_level_are_named() {
        let with = |names: &[&str]| names.iter().copied().map(String::from).collect::<Vec<_>>();
        let whole = with(&[".git", "target", "target-x"]);
        let whole = [whole, with(&TOP)].concat();
        assert!(compare(&whole).is_empty());
        let changed: Vec<String> = whole
            .into_iter()
            .filter(|name| name != "LICENSE")
            .chain(["notes.txt".into()])
            .collect();
        assert_eq!(compare(&changed).len(), 2);
    }

    #[test]
    fn this_file_is_found_among_the_sources() {
        let found = files(&["xtask"], ".rs").unwrap();
        assert!(
            found
                .iter()
                .any(|path| shown(path) == "xtask/src/tidy/tree.rs")
        );
    }
}
