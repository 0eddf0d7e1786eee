//! `cargo xtask model`: the loom models, with the number of executions each explored.
//!
//! A crate with models has `tests/loom.rs`, empty unless `cfg(loom)`. Each model prints one line
//! to standard output when it is through, so that a model which explored nothing is seen:
//!
//! ```text
//! model <name>: <n> executions
//! ```
//!
//! A suite in which fewer models report than tests run fails, and so does a model that explored
//! one execution only: nothing in it runs at the same time.
//!
//! `LOOM_MAX_PREEMPTIONS` is 3 unless it is set outside; a model that needs another bound sets it
//! in its own `loom::model::Builder`. `--cfg loom` reaches every crate of the build, and many
//! crates react to it: dev-dependencies that a model does not need belong under
//! `[target.'cfg(not(loom))'.dev-dependencies]`.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::arguments::Arguments;
use crate::table;
use crate::workspace::Workspace;
use crate::{Outcome, Verb, tool};

pub(crate) const VERB: Verb = Verb {
    name: "model",
    usage: "model [-p CRATE]... [FILTER]...",
    summary: "runs the loom models and counts their executions",
    run,
};

/// What the models of one crate came to.
#[derive(Default)]
pub(crate) struct Suite {
    /// How many tests the harness ran.
    tests: usize,
    models: Vec<Model>,
}

/// One line of the table.
pub(crate) struct Model {
    crate_name: String,
    name: String,
    executions: u64,
}

fn run(mut arguments: Arguments) -> Outcome {
    let crates = arguments.values("-p")?;
    explore(&crates, &arguments.words()?, 3)
}

/// Runs the models of `crates` (all where empty) that match `filters`.
///
/// # Errors
/// A model failed, a crate's model suite ran nothing, or no model matches.
pub(crate) fn explore(crates: &[String], filters: &[String], preemptions: u32) -> Outcome {
    let workspace = Workspace::load()?;
    let suites: Vec<&str> = workspace
        .with_target("test", "loom")
        .map(|package| package.name.as_str())
        .filter(|name| crates.is_empty() || crates.iter().any(|chosen| chosen == name))
        .collect();
    if suites.is_empty() {
        return Err("no crate has a tests/loom.rs to run".into());
    }
    let (mut models, mut failures, mut total) = (Vec::new(), Vec::new(), Duration::ZERO);
    for name in suites {
        let mut command = suite(&workspace, name, filters, preemptions);
        let (result, took) = tool::timed(|| run_suite(&mut command, name));
        total += took;
        match result {
            Ok(suite) => {
                failures.extend(suite.complaints(name, !filters.is_empty()));
                models.extend(suite.models);
            }
            Err(why) => failures.push(why),
        }
    }
    println!("\n{}", summary(&models, total));
    if models.is_empty() && failures.is_empty() {
        failures.push(format!("no model matches {}", filters.join(", ")));
    }
    if failures.is_empty() {
        Ok(Vec::new())
    } else {
        Err(failures.join("\n"))
    }
}

/// The command for one crate's models.
fn suite(workspace: &Workspace, name: &str, filters: &[String], preemptions: u32) -> Command {
    let mut command = tool::cargo(["test", "--release", "-p", name, "--test", "loom"]);
    command
        .args(["--", "--nocapture", "--test-threads=1"])
        .args(filters);
    build_for(&mut command, workspace, "loom");
    if env::var_os("LOOM_MAX_PREEMPTIONS").is_none() {
        command.env("LOOM_MAX_PREEMPTIONS", preemptions.to_string());
    }
    command
}

/// Has `command`, a release build for speed, build with `--cfg tool`.
///
/// In a target folder of its own because RUSTFLAGS differ; without link-time optimisation, which costs more time to build
/// here than it saves in the models.
pub(crate) fn build_for(command: &mut Command, workspace: &Workspace, tool: &str) {
    let flags = env::var("RUSTFLAGS").unwrap_or_default();
    command.env("RUSTFLAGS", format!("{flags} --cfg {tool}").trim());
    command.env("CARGO_TARGET_DIR", workspace.target_dir.join(tool));
    command.env("CARGO_PROFILE_RELEASE_LTO", "off");
    command.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
}

/// Runs a suite, shows what it prints as it comes, and collects the models it reports.
pub(crate) fn run_suite(command: &mut Command, name: &str) -> Result<Suite, String> {
    tool::show(command);
    let start = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = start.map_err(|error| format!("cannot start cargo: {error}"))?;
    let output = child.stdout.take().expect("standard output is piped");
    let mut suite = Suite::default();
    for line in BufReader::new(output).split(b'\n') {
        let line =
            line.map_err(|error| format!("{name}: cannot read the models' output: {error}"))?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        suite.read(name, &line);
    }
    let status = child.wait().map_err(|error| format!("{name}: {error}"))?;
    if status.success() {
        Ok(suite)
    } else {
        Err(format!("{name}: the models failed ({status})"))
    }
}

impl Suite {
    pub(crate) fn executions(&self) -> u64 {
        self.models.iter().map(|model| model.executions).sum()
    }

    pub(crate) fn into_models(self) -> Vec<Model> {
        self.models
    }

    /// Takes in one line of its output.
    fn read(&mut self, crate_name: &str, line: &str) {
        if let Some(tests) = announced(line) {
            self.tests += tests;
        }
        if let Some((model, executions)) = reported(line) {
            self.models.push(Model {
                crate_name: crate_name.into(),
                name: model.into(),
                executions,
            });
        }
    }

    /// Why this suite proves less than it seems to; a filter may leave it empty.
    fn complaints(&self, name: &str, filtered: bool) -> Vec<String> {
        let (tests, reports) = (self.tests, self.models.len());
        let mut complaints = Vec::new();
        if tests == 0 && !filtered {
            complaints.push(format!("{name}: tests/loom.rs ran no model"));
        } else if reports < tests {
            complaints.push(format!(
                "{name}: {tests} tests ran, but only {reports} reported `model <name>: <n> executions`"
            ));
        }
        let idle = self.models.iter().filter(|model| model.executions < 2);
        complaints.extend(
            idle.map(|model| format!("{name}: the model {} explored no interleaving", model.name)),
        );
        complaints
    }
}

/// Reads the test harness's `running <n> tests`.
fn announced(line: &str) -> Option<usize> {
    let count = line.strip_prefix("running ")?;
    let count = count
        .strip_suffix(" tests")
        .or(count.strip_suffix(" test"))?;
    count.parse().ok()
}

/// Reads `model <name>: <n> executions`; the test harness may have begun the line with the name
/// of the test.
fn reported(line: &str) -> Option<(&str, u64)> {
    let line = line.trim_end().strip_suffix(" executions")?;
    let (before, count) = line.rsplit_once(": ")?;
    let start = before.rfind("model ")? + "model ".len();
    let boundary = before[..start - "model ".len()].chars().next_back();
    if boundary.is_some_and(|last| !last.is_whitespace()) {
        return None;
    }
    Some((&before[start..], count.parse().ok()?))
}

pub(crate) fn summary(models: &[Model], took: Duration) -> String {
    let row = |model: &Model| {
        vec![
            model.crate_name.clone(),
            model.name.clone(),
            model.executions.to_string(),
        ]
    };
    let total: u64 = models.iter().map(|model| model.executions).sum();
    format!(
        "{}{} models, {total} executions, {}",
        table::render(&["crate", "model", "executions"], models.iter().map(row)),
        models.len(),
        tool::seconds(took),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_found_behind_the_name_the_harness_printed() {
        assert_eq!(reported("model wake: 17 executions"), Some(("wake", 17)));
        let line = "test model_of_wake ... model wake and drop: 4021 executions\r";
        assert_eq!(reported(line), Some(("wake and drop", 4021)));
    }

    #[test]
    fn other_lines_are_no_reports() {
        for line in [
            "test model_of_wake ... ok",
            "model wake: many executions",
            "model wake 17 executions",
            "remodel wake: 17 executions",
            "model wake: 17 executions each",
        ] {
            assert_eq!(reported(line), None, "{line}");
        }
    }

    #[test]
    fn a_suite_that_proves_less_than_it_seems_to_is_complained_about() {
        let complaints = |output: &str, filtered| {
            let mut suite = Suite::default();
            output.lines().for_each(|line| suite.read("c", line));
            suite.complaints("c", filtered).len()
        };
        let whole = "running 1 test\ntest a ... model a: 2 executions\nok\n";
        assert_eq!(complaints(whole, false), 0);
        assert_eq!(complaints("running 0 tests\n", false), 1);
        assert_eq!(complaints("running 0 tests\n", true), 0);
        let silent = "running 2 tests\ntest a ... model a: 2 executions\nok\ntest b ... ok\n";
        assert_eq!(complaints(silent, false), 1);
        assert_eq!(complaints(&whole.replace(": 2", ": 1"), false), 1);
    }

    #[test]
    fn the_summary_adds_up() {
        let model = |executions| Model {
            crate_name: "c".into(),
            name: "m".into(),
            executions,
        };
        let text = summary(&[model(2), model(40)], Duration::from_secs(3));
        assert!(text.ends_with("2 models, 42 executions, 3.0 s"), "{text}");
    }
}
