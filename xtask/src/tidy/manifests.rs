//! What the manifests must say, and which compiler they promise to work with.

use std::process::Command;

use crate::tidy::Finding;
use crate::workspace::{Package, Workspace};

/// A crate that can be published says what a registry and docs.rs need.
pub(super) fn check(workspace: &Workspace) -> Finding {
    Finding::problems(workspace.publishable().flat_map(missing).collect())
}

fn missing(package: &Package) -> Vec<String> {
    let says = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let fields = [
        ("description", says(&package.description)),
        ("license", says(&package.license)),
        ("readme", says(&package.readme)),
        ("rust-version", says(&package.rust_version)),
        // Five are the most that crates.io takes.
        ("1 to 5 keywords", (1..=5).contains(&package.keywords)),
        ("1 to 5 categories", (1..=5).contains(&package.categories)),
        ("docs.rs with all features", package.documents_all_features),
    ];
    let empty = fields.iter().filter(|(_, there)| !there);
    empty
        .map(|(field, _)| format!("{} has no {field} in its Cargo.toml", package.name))
        .collect()
}

/// `rust-version` is the compiler that runs the checks: otherwise nobody knows whether it is true.
pub(super) fn compiler(workspace: &Workspace) -> Result<Finding, String> {
    let output = Command::new("rustc").arg("--version").output();
    let output = output.map_err(|error| format!("cannot start rustc: {error}"))?;
    let line = String::from_utf8_lossy(&output.stdout).into_owned();
    let compiler = release(&line).ok_or_else(|| format!("`rustc --version` said {line:?}"))?;
    let promised = workspace
        .publishable()
        .filter_map(|package| package.rust_version.as_deref());
    let other: Vec<&str> = promised
        .filter(|promised| minor(promised) != minor(compiler))
        .collect();
    Ok(other.first().map_or(Finding::Clean, |promised| {
        Finding::Skipped(format!(
            "rust-version is {promised}, and this is rustc {compiler}: nothing here shows that {promised} will do"
        ))
    }))
}

/// `1.95.0` of `rustc 1.95.0 (59807616e 2026-04-14)`.
fn release(line: &str) -> Option<&str> {
    line.strip_prefix("rustc ")?.split_whitespace().next()
}

/// The first two numbers of a version.
fn minor(version: &str) -> Vec<&str> {
    version.split(['.', '-']).take(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_is_compared_by_its_first_two_numbers() {
        let release = release("rustc 1.95.0 (59807616e 2026-04-14)\n").unwrap();
        assert_eq!(minor(release), minor("1.95"));
        assert_ne!(minor(release), minor("1.94"));
        assert_ne!(minor("1.9"), minor("1.95"));
    }

    #[test]
    fn each_field_that_is_missing_is_named() {
        let workspace = Workspace::load().unwrap();
        let find = |name| {
            let mut packages = workspace.packages.iter();
            packages.find(|package| package.name == name).unwrap()
        };
        assert!(missing(find("arborio")).is_empty());
        let problems = missing(find("xtask")).join("\n");
        for field in ["readme", "keywords", "categories", "docs.rs"] {
            assert!(problems.contains(field), "{problems}");
        }
        assert!(!problems.contains("license"), "{problems}");
    }
}
