//! Which crate may use which: arrows point down, siblings do not know each other.

use crate::tidy::Finding;
use crate::workspace::{Package, Workspace};

/// Each crate of the workspace and the members it may depend on, in any kind of dependency.
const ALLOWED: &[(&str, &[&str])] = &[
    ("arborio-base", &[]),
    ("arborio-macros", &[]),
    ("arborio-task", &["arborio-base"]),
    ("arborio-executor", &["arborio-task", "arborio-base"]),
    ("arborio-timers", &["arborio-base"]),
    ("arborio-reactor", &["arborio-base"]),
    ("arborio-sync", &["arborio-base"]),
    (
        "arborio-net",
        &["arborio-reactor", "arborio-timers", "arborio-base"],
    ),
    (
        "arborio-scope",
        &[
            "arborio-executor",
            "arborio-timers",
            "arborio-task",
            "arborio-base",
        ],
    ),
    (FACADE, LIBRARIES),
    ("arborio-ecosystem", &[FACADE]),
    ("arborio-bench", EVERYTHING),
    ("arborio-faults", &[FACADE]),
    ("xtask", &[]),
];

const FACADE: &str = "arborio";

/// What the facade is made of.
const LIBRARIES: &[&str] = &[
    "arborio-base",
    "arborio-macros",
    "arborio-task",
    "arborio-executor",
    "arborio-timers",
    "arborio-reactor",
    "arborio-sync",
    "arborio-net",
    "arborio-scope",
];

/// What the benches may measure: the facade, and a part by itself.
const EVERYTHING: &[&str] = &[
    FACADE,
    "arborio-base",
    "arborio-macros",
    "arborio-task",
    "arborio-executor",
    "arborio-timers",
    "arborio-reactor",
    "arborio-sync",
    "arborio-net",
    "arborio-scope",
];

pub(super) fn check(workspace: &Workspace) -> Finding {
    Finding::problems(workspace.packages.iter().flat_map(forbidden).collect())
}

/// The edges of one crate that must not be.
fn forbidden(package: &Package) -> Vec<String> {
    let name = &package.name;
    let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| known == name) else {
        return vec![format!("{name} has no line in xtask/src/tidy/edges.rs")];
    };
    let edges = package
        .dependencies
        .iter()
        .filter(|dependency| dependency.local);
    edges
        .filter(|edge| edge.name != *name && !allowed.contains(&edge.name.as_str()))
        .map(|edge| format!("{name} must not depend on {} ({})", edge.name, edge.kind))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn package(name: &str, edges: &[(&str, &str, bool)]) -> Package {
        let edge = |&(name, kind, local): &(&str, &str, bool)| Dependency {
            name: name.into(),
            kind: kind.into(),
            local,
        };
        Package {
            name: name.into(),
            dependencies: edges.iter().map(edge).collect(),
            ..Package::default()
        }
    }

    #[test]
    fn an_edge_downwards_or_to_a_foreign_crate_is_fine() {
        let edges = [("arborio-base", "normal", true), ("mio", "normal", false)];
        assert!(forbidden(&package("arborio-reactor", &edges)).is_empty());
    }

    #[test]
    fn an_edge_upwards_or_to_a_sibling_is_named_with_its_kind() {
        let edges = [
            ("arborio-reactor", "dev", true),
            ("arborio-net", "normal", true),
        ];
        let found = forbidden(&package("arborio-timers", &edges));
        assert_eq!(found.len(), 2);
        assert_eq!(
            found[0],
            "arborio-timers must not depend on arborio-reactor (dev)"
        );
    }

    #[test]
    fn a_crate_outside_the_table_is_a_problem() {
        assert_eq!(forbidden(&package("arborio-extra", &[])).len(), 1);
    }

    #[test]
    fn the_table_itself_has_no_cycle() {
        // A crate may only name crates that can be built before it.
        let mut built: Vec<&str> = Vec::new();
        while built.len() < ALLOWED.len() {
            let ready = |entry: &&(&str, &[&str])| {
                !built.contains(&entry.0) && entry.1.iter().all(|name| built.contains(name))
            };
            let next = ALLOWED
                .iter()
                .find(ready)
                .expect("the rest of the table is a cycle");
            built.push(next.0);
        }
    }
}
