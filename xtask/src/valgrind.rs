//! `cargo xtask valgrind`: test binaries under valgrind's memcheck, with its search for leaks.
//!
//! AddressSanitizer (`sanitize`) sees more of the stack and costs less; valgrind sees what no compiler has instrumented, and
//! decisions on memory that was never written. Everything takes some thirty times as long, on one processor. So there is a
//! selection, and tests that cannot hold there are left out by name. Memory that is definitely or indirectly lost is an
//! error, as is a test that fails. What a test loses on purpose can still be reached
//! (`crates/arborio-base/tests/support/leak.rs`).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::left_out::{self, LeftOut};
use crate::workspace::Workspace;
use crate::{Outcome, Verb, examples, table, tool};

pub(crate) const VERB: Verb = Verb {
    name: "valgrind",
    usage: "valgrind [-p CRATE]... [FILTER]...",
    summary: "a selection of the tests under valgrind: reads of what is not there, and leaks",
    run,
};

/// A test binary, or those of its tests whose name contains one of the words.
struct Suite {
    package: &'static str,
    /// The name of cargo's target.
    binary: &'static str,
    only: &'static [&'static str],
}

const fn all(package: &'static str, binary: &'static str) -> Suite {
    Suite {
        package,
        binary,
        only: &[],
    }
}

const SUITES: &[Suite] = &[
    all("arborio-task", "arborio_task"),
    all("arborio-task", "it"),
    all("arborio-sync", "arborio_sync"),
    all("arborio-sync", "it"),
    all("arborio-timers", "arborio_timers"),
    all("arborio-timers", "it"),
    all("arborio-executor", "arborio_executor"),
    all("arborio-executor", "it"),
    all("arborio-scope", "arborio_scope"),
    all("arborio-scope", "it"),
    Suite {
        package: "arborio",
        binary: "it",
        only: &["battery::"],
    },
];

const LEFT_OUT: &[LeftOut] = &[
    (
        "arborio-sync",
        "drop_at_every_poll",
        "every order of what every future can meet: it takes an hour",
    ),
    (
        "arborio-executor",
        "t4_a_task_follows_who_wakes_it_and_both_end",
        "it needs two processors",
    ),
    (
        "arborio-executor",
        "t1_a_sleeper_is_not_woken_for_little_work",
        SLOW,
    ),
    (
        "arborio-executor",
        "two_long_polls_near_each_other_are_known_and_short_ones_are_none",
        SLOW,
    ),
    (
        "arborio-executor",
        "x12_before_a_long_poll_a_sleeper_gets_half",
        SLOW,
    ),
    (
        "arborio-executor",
        "x12_who_looks_for_work_looks_at_the_io_of_who_polls_long_before_it_asks",
        SLOW,
    ),
    (
        "arborio-executor",
        "x12_who_sleeps_attends_those_that_are_awake_and_poll_long",
        SLOW,
    ),
    (
        "arborio-executor",
        "a_worker_knows_whether_its_last_polls_were_short_or_long",
        SLOW,
    ),
    (
        "arborio-executor",
        "a_few_tasks_follow_who_has_woken_them_when_polls_are_short",
        SLOW,
    ),
    (
        "arborio-executor",
        "tasks_follow_who_goes_on_to_another_poll",
        SLOW,
    ),
    (
        "arborio-scope",
        "outputs_are_gathered_while_another_thread_looks",
        "two thousand threads that spin",
    ),
];

/// A reason.
const SLOW: &str = "it needs polls that are short, and here none is";

/// What the process ends with if memcheck has found something.
const FOUND: &str = "99";

/// Cases for each property: enough to go through all of its code.
const CASES: &str = "4";

fn run(mut arguments: Arguments) -> Outcome {
    let mut crates = arguments.values("-p")?;
    let filters = arguments.words()?;
    if !tool::answers(Command::new("valgrind").arg("--version")) {
        return Ok(vec!["valgrind (it is not installed)".into()]);
    }
    let workspace = Workspace::load()?;
    if crates.is_empty() {
        crates.extend(SUITES.iter().map(|suite| suite.package.into()));
    }
    let chosen = |suite: &&Suite| crates.iter().any(|name| name == suite.package);
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    if !SUITES.iter().any(|suite| chosen(&suite)) {
        return Err(format!("nothing is selected of {}", crates.join(", ")));
    }
    for suite in SUITES.iter().filter(chosen) {
        let program = build(suite)?;
        let folder = workspace.packages.iter().find(|p| p.name == suite.package);
        let folder = &folder.ok_or("a suite of no crate")?.folder;
        println!(
            "{} {}: {} tests",
            suite.package,
            suite.binary,
            count(&program)?
        );
        let mut command = memcheck(suite, &program, folder, &filters);
        let (ended, took) = tool::timed(|| tool::run(&mut command));
        rows.push(row(suite, &ended, took));
        failed.extend(ended.err());
    }
    println!(
        "{}",
        table::render(&["crate", "binary", "took", "result"], rows)
    );
    if failed.is_empty() {
        Ok(left_out::told("valgrind", LEFT_OUT, &crates))
    } else {
        Err(failed.join("\n"))
    }
}

fn row(suite: &Suite, ended: &Result<(), String>, took: Duration) -> Vec<String> {
    let result = if ended.is_ok() { "clean" } else { "FAILED" };
    let words = [suite.package, suite.binary, &tool::seconds(took), result];
    words.map(String::from).to_vec()
}

fn build(suite: &Suite) -> Result<PathBuf, String> {
    let words = ["test", "--no-run", "-p", suite.package, "--lib", "--tests"];
    let built = examples::build(&words)?.into_iter();
    let mut named = built.filter(|(name, _)| name == suite.binary);
    let missing = || format!("cargo built no {} of {}", suite.binary, suite.package);
    named.next().map(|(_, path)| path).ok_or_else(missing)
}

/// How many tests the binary has; without any, nothing would be shown.
fn count(program: &Path) -> Result<usize, String> {
    let listed = Command::new(program)
        .args(["--list", "--format=terse"])
        .output();
    let listed = listed.map_err(|error| format!("{}: {error}", program.display()))?;
    let lines = String::from_utf8_lossy(&listed.stdout);
    match lines
        .lines()
        .filter(|line| line.ends_with(": test"))
        .count()
    {
        0 => Err(format!("{} has no test", program.display())),
        count => Ok(count),
    }
}

/// The suite under memcheck. `--fair-sched` hands the one processor around in turn: else a thread that waits by yielding
/// would keep it from the one that it waits for.
fn memcheck(suite: &Suite, program: &Path, folder: &Path, filters: &[String]) -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--fair-sched=yes", "--num-callers=25"]);
    command.args(["--leak-check=full", "--show-leak-kinds=definite,indirect"]);
    command.args(["--errors-for-leak-kinds=definite,indirect"]);
    command.arg(format!("--error-exitcode={FOUND}"));
    command.arg(program).arg("--test-threads=1");
    match filters {
        [] => command.args(suite.only),
        some => command.args(some),
    };
    command.args(left_out::skips(LEFT_OUT, &[suite.package.into()]));
    command.current_dir(folder).env("PROPTEST_CASES", CASES);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_exists_and_is_not_run() {
        left_out::check(LEFT_OUT);
        for (package, name, _) in LEFT_OUT {
            let suite = SUITES.iter().find(|suite| suite.package == *package);
            let suite = suite.expect("nothing is left out of what is not run");
            let command = memcheck(suite, Path::new("it"), Path::new("."), &[]);
            assert!(command.get_args().any(|word| word == *name), "{name}");
        }
    }

    #[test]
    fn errors_and_leaks_end_the_process_with_a_code() {
        let command = memcheck(&SUITES[0], Path::new("it"), Path::new("."), &[]);
        let words: Vec<_> = command
            .get_args()
            .map(|word| word.display().to_string())
            .collect();
        assert!(words.contains(&"--error-exitcode=99".into()), "{words:?}");
        assert!(
            words
                .iter()
                .any(|word| word.starts_with("--errors-for-leak-kinds"))
        );
    }
}
