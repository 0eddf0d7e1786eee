//! Every foreign dependency was decided on: the table of docs/decisions.md names it, and who uses it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::tidy::Finding;
use crate::tool;
use crate::workspace::Workspace;

/// Dependencies of workspaces of their own, which `cargo metadata` does not tell of.
const OUTSIDE: [&str; 1] = ["libfuzzer-sys"];

/// Compares the manifests with the table, both ways.
pub(super) fn check(workspace: &Workspace) -> Finding {
    let Ok(decisions) = fs::read_to_string(tool::root().join("docs/decisions.md")) else {
        return Finding::Problems(vec!["docs/decisions.md is missing".into()]);
    };
    let mut used: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in &workspace.packages {
        for dependency in package.dependencies.iter().filter(|dep| !dep.local) {
            let by = package.name.trim_start_matches("arborio-");
            used.entry(&dependency.name).or_default().insert(by);
        }
    }
    Finding::problems(compare(&rows(&decisions), &used))
}

/// One row of the table.
struct Row<'a> {
    /// The dependencies it is about.
    names: Vec<&'a str>,
    /// Who uses them, in words.
    used_by: &'a str,
}

/// The rows of the section on dependencies.
fn rows(page: &str) -> Vec<Row<'_>> {
    let section = page.split("\n## Dependencies\n").nth(1).unwrap_or("");
    let section = section.split("\n## ").next().unwrap_or("");
    let row = |line| {
        let mut cells = str::split(line, '|').skip(1);
        let names: Vec<&str> = cells.next()?.split('`').skip(1).step_by(2).collect();
        let used_by = cells.next()?;
        (!names.is_empty()).then_some(Row { names, used_by })
    };
    section.lines().filter_map(row).collect()
}

/// What is in the one and not in the other.
fn compare(rows: &[Row<'_>], used: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, users) in used {
        let Some(row) = rows.iter().find(|row| row.names.contains(name)) else {
            problems.push(format!("docs/decisions.md does not say why we use {name}"));
            continue;
        };
        let unnamed = users.iter().filter(|user| !names(row.used_by, user));
        problems.extend(
            unnamed.map(|user| format!("docs/decisions.md does not say that {user} uses {name}")),
        );
    }
    let decided = rows.iter().flat_map(|row| &row.names);
    let stale = decided.filter(|name| !used.contains_key(*name) && !OUTSIDE.contains(name));
    problems.extend(stale.map(|name| format!("docs/decisions.md names {name}, which nobody uses")));
    problems
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
    fn a_name_counts_only_as_a_whole_word() {
        assert!(names("tests of net, sync", "net"));
        assert!(!names("we use futures-core and mio2", "futures"));
        assert!(!names("we use futures-core and mio2", "mio"));
        assert!(!names("we use futures-core and mio2", "core"));
    }

    #[test]
    fn what_is_undecided_unused_or_used_by_somebody_else_is_found() {
        let page = "\n## Dependencies\n\n| crate | used by | why |\n|---|---|---|\n\
                    | `mio` | reactor | epoll |\n| `kanal`, `flume` | bench | peers |\n\n## More\n| `no` | x | |";
        let used = BTreeMap::from([
            ("mio", BTreeSet::from(["reactor", "xtask"])),
            ("flume", BTreeSet::from(["bench"])),
            ("libc", BTreeSet::from(["base"])),
        ]);
        assert_eq!(
            compare(&rows(page), &used),
            [
                "docs/decisions.md does not say why we use libc",
                "docs/decisions.md does not say that xtask uses mio",
                "docs/decisions.md names kanal, which nobody uses",
            ]
        );
    }
}
