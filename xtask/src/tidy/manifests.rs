//! What the manifests must say, and that every foreign dependency was decided on.

use std::collections::BTreeSet;
use std::fs;

use crate::tidy::Finding;
use crate::tool;
use crate::workspace::{Package, Workspace};

/// A crate that can be published has a description and a licence.
pub(super) fn check(workspace: &Workspace) -> Finding {
    let publishable = workspace
        .packages
        .iter()
        .filter(|package| package.publishable);
    Finding::problems(publishable.flat_map(missing).collect())
}

fn missing(package: &Package) -> Vec<String> {
    let fields = [
        ("description", &package.description),
        ("license", &package.license),
    ];
    let empty = fields
        .iter()
        .filter(|(_, value)| value.as_ref().is_none_or(|text| text.is_empty()));
    empty
        .map(|(field, _)| format!("{} has no {field} in its Cargo.toml", package.name))
        .collect()
}

/// Every dependency from outside is named in docs/decisions.md.
pub(super) fn decided(workspace: &Workspace) -> Finding {
    let Ok(decisions) = fs::read_to_string(tool::root().join("docs/decisions.md")) else {
        return Finding::Problems(vec!["docs/decisions.md is missing".into()]);
    };
    let dependencies = workspace
        .packages
        .iter()
        .flat_map(|package| &package.dependencies);
    let foreign: BTreeSet<&str> = dependencies
        .filter(|dep| !dep.local)
        .map(|dep| dep.name.as_str())
        .collect();
    let unnamed = foreign.into_iter().filter(|name| !names(&decisions, name));
    Finding::problems(
        unnamed
            .map(|name| format!("docs/decisions.md does not say why we use {name}"))
            .collect(),
    )
}

/// Whether `text` holds `name` as a word of its own (`futures` is not in `futures-core`).
fn names(text: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_is_named_only_by_its_whole_name() {
        assert!(names("- `mio`: epoll.", "mio"));
        assert!(!names("we use futures-core and mio2", "futures"));
        assert!(!names("we use futures-core and mio2", "mio"));
        assert!(!names("we use futures-core and mio2", "core"));
    }
}
