//! `cargo xtask test`: the tests of the whole workspace.
//!
//! cargo-nextest runs them where it is installed (one process per test, and `xtask/nextest.toml`
//! ends a test that hangs); a bare machine uses `cargo test`. Documentation tests run either way.
//! arborio-bench is left out unless asked for: it builds half a dozen other runtimes.

use crate::arguments::Arguments;
use crate::{Outcome, Verb, tool};

pub(crate) const VERB: Verb = Verb {
    name: "test",
    usage: "test [-p CRATE]... [--all] [--no-doc] [FILTER]... [-- ARGUMENTS OF THE RUNNER]",
    summary: "all tests and documentation tests (--all: with arborio-bench)",
    run,
};

/// What is to be tested.
struct Selection {
    /// Only these crates; all where empty.
    crates: Vec<String>,
    /// With arborio-bench.
    all: bool,
    /// Only tests whose name contains one of these.
    filters: Vec<String>,
    /// Flags for the runner, as they are.
    handed_on: Vec<String>,
}

fn run(mut arguments: Arguments) -> Outcome {
    let no_doc = arguments.flag("--no-doc");
    let selection = Selection {
        all: arguments.flag("--all"),
        crates: arguments.values("-p")?,
        handed_on: arguments.handed_on(),
        filters: arguments.words()?,
    };
    if tool::has_cargo("nextest") {
        tool::run(&mut tool::cargo(selection.nextest()))?;
    } else {
        eprintln!("cargo-nextest is not installed; `cargo test` does as well");
        tool::run(&mut tool::cargo(selection.cargo_test()))?;
    }
    if !no_doc {
        tool::run(&mut tool::cargo(selection.doc_tests()))?;
    }
    Ok(Vec::new())
}

impl Selection {
    fn packages(&self) -> Vec<String> {
        if !self.crates.is_empty() {
            return self
                .crates
                .iter()
                .flat_map(|name| ["-p".into(), name.clone()])
                .collect();
        }
        let every: &[&str] = if self.all {
            &["--workspace"]
        } else {
            &["--workspace", "--exclude", "arborio-bench"]
        };
        every.iter().copied().map(String::from).collect()
    }

    fn nextest(&self) -> Vec<String> {
        let config = tool::root()
            .join("xtask/nextest.toml")
            .display()
            .to_string();
        let start = ["nextest", "run", "--config-file", &config].map(String::from);
        let parts = [
            start.to_vec(),
            self.packages(),
            self.filters.clone(),
            self.handed_on.clone(),
        ];
        parts.concat()
    }

    /// Everything `cargo test` runs but documentation tests; these come after.
    fn cargo_test(&self) -> Vec<String> {
        let kinds = ["--no-fail-fast", "--lib", "--bins", "--tests", "--examples"]
            .map(String::from)
            .to_vec();
        let runner = [
            vec!["--".into()],
            self.filters.clone(),
            self.handed_on.clone(),
        ];
        [vec!["test".into()], self.packages(), kinds, runner.concat()].concat()
    }

    fn doc_tests(&self) -> Vec<String> {
        let start = ["test", "--doc"].map(String::from).to_vec();
        [
            start,
            self.packages(),
            vec!["--".into()],
            self.filters.clone(),
        ]
        .concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(crates: &[&str], all: bool, filters: &[&str]) -> Selection {
        let owned = |words: &[&str]| words.iter().copied().map(String::from).collect();
        Selection {
            crates: owned(crates),
            all,
            filters: owned(filters),
            handed_on: Vec::new(),
        }
    }

    #[test]
    fn the_whole_workspace_is_the_default_and_leaves_the_heavy_peers_out() {
        let line = selection(&[], false, &[]).cargo_test().join(" ");
        assert!(
            line.contains("--workspace --exclude arborio-bench"),
            "{line}"
        );
        let line = selection(&[], true, &[]).doc_tests().join(" ");
        assert!(!line.contains("--exclude"), "{line}");
    }

    #[test]
    fn chosen_crates_and_filters_reach_the_runner_and_the_documentation_tests() {
        let chosen = selection(&["arborio-task"], false, &["wake"]);
        assert_eq!(
            chosen.doc_tests().join(" "),
            "test --doc -p arborio-task -- wake"
        );
        assert!(chosen.nextest().join(" ").ends_with("-p arborio-task wake"));
        assert!(chosen.cargo_test().join(" ").ends_with("-- wake"));
    }
}
