//! `cargo xtask abort`: the tests of the published crates, macros excepted, built so that a panic ends the process.
//!
//! A program may be built with `panic = "abort"`. Then nothing unwinds, and whatever the runtime does by catching panics it
//! does not need. The tests that need a panic to be caught are marked with `#[cfg(panic = "unwind")]` and are not there
//! in this build; all others have to pass. A new test that catches a panic and is not marked fails here.
//!
//! Cargo builds tests in this way only behind a switch of its nightly; `RUSTC_BOOTSTRAP` opens it in a stable one. A
//! test binary then runs each test in a child, so that `should_panic` works, too.

use std::fs;

use crate::arguments::Arguments;
use crate::tidy::tree;
use crate::workspace::{Package, Workspace};
use crate::{Outcome, Verb, tool};

pub(crate) const VERB: Verb = Verb {
    name: "abort",
    usage: "abort [-p CRATE]... [FILTER]...",
    summary: "the tests with panic=abort, but for those that catch a panic",
    run,
};

/// What a test has above it, or a module of tests, that needs panics to be caught.
const MARK: &str = "#[cfg(panic = \"unwind\")]";

/// What makes cargo build so. Helpers of the tests that are not there are unused.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("RUSTC_BOOTSTRAP", "1"),
    ("CARGO_UNSTABLE_PANIC_ABORT_TESTS", "true"),
    ("CARGO_PROFILE_DEV_PANIC", "abort"),
    ("CARGO_PROFILE_DEV_DEBUG", "0"),
    ("CARGO_INCREMENTAL", "0"),
    ("RUSTFLAGS", "-Aunused"),
];

fn run(mut arguments: Arguments) -> Outcome {
    let mut crates = arguments.values("-p")?;
    let filters = arguments.words()?;
    let workspace = Workspace::load()?;
    if crates.is_empty() {
        let chosen = workspace.publishable().filter(|package| !is_macro(package));
        crates.extend(chosen.map(|package| package.name.clone()));
    }
    let places: usize = marks()?.iter().map(|(_, lines)| lines.len()).sum();
    println!("{places} tests and modules of tests are marked {MARK} and left out");
    let mut command = tool::cargo(line(tool::has_cargo("nextest")));
    command.args(crates.iter().flat_map(|name| ["-p", name]));
    command.envs(ENVIRONMENT);
    command.env("CARGO_TARGET_DIR", workspace.target_dir.join("abort"));
    tool::run(command.args(filters))?;
    Ok(Vec::new())
}

/// A macro runs in the compiler, which catches panics.
pub(crate) fn is_macro(package: &Package) -> bool {
    let mut targets = package.targets.iter();
    targets.any(|target| target.kind == "proc-macro")
}

/// The words that run tests, with nextest or without.
pub(crate) fn line(nextest: bool) -> Vec<String> {
    let config = tool::root().join("xtask/nextest.toml");
    let config = config.display().to_string();
    let words: &[&str] = match nextest {
        true => &["nextest", "run", "--config-file", &config],
        false => &["test", "--no-fail-fast"],
    };
    let words = words.iter().chain(&["--lib", "--tests"]);
    words.map(|word| String::from(*word)).collect()
}

/// The files with marks, and the lines, from 1, on which these are.
fn marks() -> Result<Vec<(String, Vec<usize>)>, String> {
    let mut marks = Vec::new();
    for path in tree::files(&["crates"], ".rs")? {
        let name = tree::shown(&path);
        let text = fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
        let lines = text.lines().enumerate();
        let lines = lines.filter(|(_, line)| line.trim_start().starts_with(MARK));
        let lines: Vec<usize> = lines.map(|(index, _)| index + 1).collect();
        if !lines.is_empty() {
            marks.push((name, lines));
        }
    }
    Ok(marks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_macros_are_the_only_crate_that_is_left_out() {
        let workspace = Workspace::load().unwrap();
        let out = workspace.publishable().filter(|package| is_macro(package));
        let out: Vec<&str> = out.map(|package| package.name.as_str()).collect();
        assert_eq!(out, ["arborio-macros"]);
    }

    #[test]
    fn only_tests_differ_where_a_panic_ends_the_process() {
        let marks = marks().unwrap();
        assert!(!marks.is_empty());
        for (name, lines) in marks {
            let text = fs::read_to_string(tool::root().join(&name)).unwrap();
            let tests_begin = text.lines().position(|line| line == "#[cfg(test)]");
            for line in lines {
                let in_tests = name.contains("/tests/") || tests_begin.is_some_and(|at| at < line);
                assert!(in_tests, "{name}:{line} is not a test");
            }
        }
    }
}
