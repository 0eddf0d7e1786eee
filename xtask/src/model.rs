//! `cargo xtask model`: the loom models, with the number of executions each explored.
//!
//! A crate with models has `tests/loom.rs`, empty unless `cfg(loom)`. Each model prints one line
//! to standard output when it is through, so that a model which explored nothing is seen:
//!
//! ```text
//! model <name>: <n> executions
//! ```
//!
//! A suite in which fewer models report than there are tests fails, and so does a model that explored
//! one execution only: nothing in it runs at the same time.
//!
//! All are built at once. Each test runs in a process of its own, one process for each processor: a model takes turns
//! on one thread, and some count in statics what they have made.
//!
//! `LOOM_MAX_PREEMPTIONS` is 3 unless it is set outside; a model that needs another bound sets it
//! in its own `loom::model::Builder`. `--cfg loom` reaches every crate of the build, and many
//! crates react to it: dev-dependencies that a model does not need belong under
//! `[target.'cfg(not(loom))'.dev-dependencies]`.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::arguments::Arguments;
use crate::workspace::{Package, Workspace};
use crate::{Outcome, Verb, built, parallel, table, tool};

pub(crate) const VERB: Verb = Verb {
    name: "model",
    usage: "model [-p CRATE]... [FILTER]...",
    summary: "runs the loom models and counts their executions",
    run,
};

/// What the models of one crate came to.
#[derive(Default)]
pub(crate) struct Suite {
    /// How many tests there are to run.
    tests: usize,
    models: Vec<Model>,
}

/// A test of `tests/loom.rs`: a model, or some.
struct Test<'a> {
    package: &'a Package,
    program: PathBuf,
    name: String,
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
/// A model failed, a crate's model suite has nothing to run, or no model matches.
pub(crate) fn explore(crates: &[String], filters: &[String], preemptions: u32) -> Outcome {
    let workspace = Workspace::load()?;
    let packages: Vec<&Package> = workspace
        .with_target("test", "loom")
        .filter(|package| crates.is_empty() || crates.contains(&package.name))
        .collect();
    if packages.is_empty() {
        return Err("no crate has a tests/loom.rs to run".into());
    }
    let tests = build(&workspace, &packages, filters)?;
    let (ran, took) = tool::timed(|| run_all(&tests, preemptions));
    let (mut models, mut failures) = (Vec::new(), Vec::new());
    for package in packages {
        let (mut suite, failed_before) = (Suite::default(), failures.len());
        let of = tests.iter().zip(&ran);
        for (_, ran) in of.filter(|(test, _)| test.package.name == package.name) {
            suite.tests += 1;
            match ran {
                Ok(printed) => printed
                    .lines()
                    .for_each(|line| suite.read(&package.name, line)),
                Err(why) => failures.push(why.clone()),
            }
        }
        if failures.len() == failed_before {
            failures.extend(suite.complaints(&package.name, !filters.is_empty()));
        }
        models.extend(suite.models);
    }
    println!("\n{}", summary(&models, took));
    if models.is_empty() && failures.is_empty() {
        failures.push(format!("no model matches {}", filters.join(", ")));
    }
    if failures.is_empty() {
        Ok(Vec::new())
    } else {
        Err(failures.join("\n"))
    }
}

/// Builds the suites of these crates, and lists their tests.
fn build<'a>(
    workspace: &Workspace,
    packages: &[&'a Package],
    filters: &[String],
) -> Result<Vec<Test<'a>>, String> {
    let mut command = tool::cargo(["test", "--release", "--no-run", "--test", "loom"]);
    command.args(packages.iter().flat_map(|package| ["-p", &package.name]));
    build_for(&mut command, workspace, "loom");
    let built = built::programs(&mut command)?;
    let mut tests = Vec::new();
    for &package in packages {
        let mut own = built
            .iter()
            .filter(|built| built.name == "loom" && built.source.starts_with(&package.folder));
        let program = own.next().map(|built| built.program.clone());
        let program =
            program.ok_or_else(|| format!("cargo built no models of {}", package.name))?;
        let mut list = Command::new(&program);
        list.args(["--list", "--format=terse"]).args(filters);
        let listed = list
            .output()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let listed = String::from_utf8_lossy(&listed.stdout);
        let names = listed
            .lines()
            .filter_map(|line| line.strip_suffix(": test"));
        tests.extend(names.map(|name| Test {
            package,
            program: program.clone(),
            name: name.into(),
        }));
    }
    Ok(tests)
}

/// Runs each in a process of its own. What they have printed, or why they failed, is in the order of `tests`.
fn run_all(tests: &[Test<'_>], preemptions: u32) -> Vec<Result<String, String>> {
    parallel::map(tests, |test| test.run(preemptions))
}

impl Test<'_> {
    /// Runs it, shows what it prints when it has ended, and returns it.
    fn run(&self, preemptions: u32) -> Result<String, String> {
        let name = format!("{} {}", self.package.name, self.name);
        let mut command = Command::new(&self.program);
        command.args(["--nocapture", "--test-threads=1", "--exact", &self.name]);
        command
            .current_dir(&self.package.folder)
            .stdin(Stdio::null());
        if env::var_os("LOOM_MAX_PREEMPTIONS").is_none() {
            command.env("LOOM_MAX_PREEMPTIONS", preemptions.to_string());
        }
        let (ended, took) = tool::timed(|| command.output());
        let ended = ended.map_err(|error| format!("{name}: {error}"))?;
        let printed = String::from_utf8_lossy(&ended.stdout).into_owned();
        let told = String::from_utf8_lossy(&ended.stderr);
        if ended.status.success() {
            let reports = printed.lines().filter_map(reported);
            let reports: Vec<_> = reports
                .map(|(model, count)| format!("  {model}: {count}\n"))
                .collect();
            print!(
                "{name}, {}\n{}{told}",
                tool::seconds(took),
                reports.concat()
            );
            return Ok(printed);
        }
        println!("{printed}{told}");
        Err(format!("{name}: the model failed ({})", ended.status))
    }
}

/// Has `command`, a release build for speed, build with `--cfg tool`.
///
/// In a target folder of its own because RUSTFLAGS differ; without link-time optimisation, which costs more time to
/// build here than it saves in the models.
pub(crate) fn build_for(command: &mut Command, workspace: &Workspace, tool: &str) {
    let flags = env::var("RUSTFLAGS").unwrap_or_default();
    command.env("RUSTFLAGS", format!("{flags} --cfg {tool}").trim());
    command.env("CARGO_TARGET_DIR", workspace.target_dir.join(tool));
    command.env("CARGO_PROFILE_RELEASE_LTO", "off");
    command.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
}

impl Suite {
    pub(crate) fn executions(&self) -> u64 {
        self.models.iter().map(|model| model.executions).sum()
    }

    pub(crate) fn into_models(self) -> Vec<Model> {
        self.models
    }

    /// Takes in one line of its output.
    pub(crate) fn read(&mut self, crate_name: &str, line: &str) {
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
            complaints.push(format!("{name}: tests/loom.rs has no model"));
        } else if reports < tests {
            complaints.push(format!(
                "{name}: there are {tests} tests, but only {reports} reported `model <name>: <n> executions`"
            ));
        }
        let idle = self.models.iter().filter(|model| model.executions < 2);
        complaints.extend(
            idle.map(|model| format!("{name}: the model {} explored no interleaving", model.name)),
        );
        complaints
    }
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
        let complaints = |tests, output: &str, filtered| {
            let mut suite = Suite {
                tests,
                ..Suite::default()
            };
            output.lines().for_each(|line| suite.read("c", line));
            suite.complaints("c", filtered).len()
        };
        let whole = "test a ... model a: 2 executions\nok\n";
        assert_eq!(complaints(1, whole, false), 0);
        assert_eq!(complaints(0, "", false), 1);
        assert_eq!(complaints(0, "", true), 0);
        assert_eq!(complaints(2, whole, false), 1);
        assert_eq!(complaints(1, &whole.replace(": 2", ": 1"), false), 1);
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
