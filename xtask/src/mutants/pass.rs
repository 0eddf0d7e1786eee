//! One run of cargo-mutants: the mutants that were missed so far, and some tests.

use std::fs;
use std::path::Path;

use super::tally::{Fate, Tally};
use crate::tool;

/// What cargo-mutants ends with when mutants were missed (2) or ran out of time (3): a result, and no failure of the tool.
const RESULTS: [i32; 3] = [0, 2, 3];

/// The lists that it leaves, one mutant a line. What is in none of them was missed.
const LISTS: [(&str, Fate); 3] = [
    ("caught.txt", Fate::Caught),
    ("timeout.txt", Fate::OutOfTime),
    ("unviable.txt", Fate::DoesNotBuild),
];

/// Debug information doubles the time of a build, and nobody looks at it.
const ENVIRONMENT: (&str, &str) = ("CARGO_PROFILE_DEV_DEBUG", "0");

/// The tests that look at the mutants of one crate.
pub(crate) struct Pass {
    /// The crate that is changed.
    name: String,
    /// Words for the tool that choose the tests.
    tests: Vec<String>,
}

impl Pass {
    /// In their order: the quick ones first, as each sees only what was missed before it.
    pub(crate) fn all(name: &str, also: &[String]) -> Vec<Self> {
        let nextest = tool::has_cargo("nextest");
        let mut passes = vec![
            units(nextest),
            words(&["--test-tool", "cargo", "--", "--doc"]),
        ];
        passes.extend(also.iter().map(|other| {
            let mut tests = words(&["--test-package", other]);
            tests.extend(units(nextest));
            tests
        }));
        let name = name.to_owned();
        let pass = |tests| Self {
            name: name.clone(),
            tests,
        };
        passes.into_iter().map(pass).collect()
    }

    /// Tries what was missed so far, if anything was, and settles what is noticed now.
    ///
    /// # Errors
    /// The tool failed, for instance since a test fails without any mutant.
    pub(crate) fn run(&self, output: &Path, tally: &mut Tally) -> Result<(), String> {
        if tally.missed().is_empty() {
            return Ok(());
        }
        fs::create_dir_all(output).map_err(|error| format!("{}: {error}", output.display()))?;
        let mut command = tool::cargo(["mutants", "-p", &self.name, "--no-times", "--output"]);
        command.arg(output).env(ENVIRONMENT.0, ENVIRONMENT.1);
        // A test that takes three times as long as without a mutant hangs, or may as well.
        command.args(["--timeout-multiplier", "3", "--minimum-test-timeout", "20"]);
        let (before, after) = self.tests.split_at(split(&self.tests));
        let shown = [before, &words(&["--re", "..."]), after].concat();
        eprintln!("$ cargo mutants -p {} {}", self.name, shown.join(" "));
        command.args(before);
        let mut files: Vec<&str> = tally
            .missed()
            .iter()
            .map(|mutant| file_of(mutant))
            .collect();
        files.dedup();
        command.args(files.iter().flat_map(|file| ["--file", file]));
        command.args(tally.missed().iter().map(|mutant| only(mutant)));
        command.args(after);
        let status = command.status().map_err(|error| error.to_string())?;
        if !status.code().is_some_and(|code| RESULTS.contains(&code)) {
            return Err(format!("cargo-mutants failed ({status})"));
        }
        settle(&output.join("mutants.out"), tally)
    }
}

/// Unit and integration tests. Nextest ends at the first that fails, and ends one that hangs.
fn units(nextest: bool) -> Vec<String> {
    let config = tool::root().join("xtask/nextest.toml");
    let config = config.display().to_string();
    let mut tests = words(&["--cargo-arg=--lib", "--cargo-arg=--tests"]);
    tests.extend(match nextest {
        true => words(&[
            "--test-tool",
            "nextest",
            "--",
            "--config-file",
            &config,
            "--profile",
            "mutants",
        ]),
        false => words(&["--test-tool", "cargo"]),
    });
    tests
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().copied().map(String::from).collect()
}

/// Where the words begin that the tool hands on.
fn split(words: &[String]) -> usize {
    let place = words.iter().position(|word| word == "--");
    place.unwrap_or(words.len())
}

/// Fields that are left out of an expression: cargo-mutants 27.1 does not ask `--re` about these, and tries all of the files
/// that are chosen. So they are none of ours.
pub(crate) fn is_always_tried(mutant: &str) -> bool {
    mutant.contains(": delete field ")
}

/// The file that it changes.
fn file_of(mutant: &str) -> &str {
    mutant.split(':').next().unwrap_or(mutant)
}

/// The flag that chooses this mutant: its whole name, as a regular expression.
fn only(mutant: &str) -> String {
    let mut flag = String::from("--re=^");
    for letter in mutant.chars() {
        if letter.is_ascii_punctuation() && letter != '<' && letter != '>' {
            flag.push('\\');
        }
        flag.push(letter);
    }
    flag.push('$');
    flag
}

fn settle(folder: &Path, tally: &mut Tally) -> Result<(), String> {
    for (name, fate) in LISTS {
        let path = folder.join(name);
        let list = fs::read_to_string(&path);
        let list = list.map_err(|error| format!("{}: {error}", path.display()))?;
        for mutant in list.lines().filter(|mutant| !is_always_tried(mutant)) {
            tally.settle(mutant, fate)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crate_itself_is_asked_first_then_its_examples_then_those_above() {
        let passes = Pass::all("low", &words(&["high"]));
        let lines: Vec<String> = passes.iter().map(|pass| pass.tests.join(" ")).collect();
        assert!(lines[0].contains("--lib") && !lines[0].contains("high"));
        assert!(lines[1].ends_with("-- --doc"));
        assert!(lines[2].starts_with("--test-package high"));
        assert!(passes.iter().all(|pass| pass.name == "low"));
    }

    #[test]
    fn a_name_is_taken_letter_by_letter() {
        assert_eq!(only("a.rs:1: x -> <T>"), r"--re=^a\.rs\:1\: x \-> <T>$");
    }

    #[test]
    fn what_the_tool_tries_unasked_is_not_counted() {
        let unasked = "crates/a/src/b.rs:66:17: delete field c from struct D expression in E::f";
        assert!(is_always_tried(unasked));
        assert!(!is_always_tried("crates/a/src/b.rs:1:1: delete ! in f"));
        assert_eq!(file_of(unasked), "crates/a/src/b.rs");
    }

    #[test]
    fn a_list_that_is_missing_is_an_error() {
        let mut tally = Tally::of(0, Vec::new());
        assert!(settle(Path::new("/nowhere"), &mut tally).is_err());
    }
}
