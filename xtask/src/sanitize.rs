//! `cargo xtask sanitize`: the suites of the published crates but the macros under AddressSanitizer and LeakSanitizer.
//!
//! What is read or written where nothing is, and what is lost when a process ends, is an error. A test that loses
//! something on purpose says so (`crates/arborio-base/tests/support/leak.rs`), so that nothing has to be suppressed. A
//! test that cannot run here is left out by name.
//!
//! Task cells are not used again, or that would hide a use after free.

use std::process::Command;

use crate::abort;
use crate::arguments::Arguments;
use crate::left_out::{self, LeftOut};
use crate::workspace::Workspace;
use crate::{Outcome, Verb, tool};

pub(crate) const VERB: Verb = Verb {
    name: "sanitize",
    usage: "sanitize [-p CRATE]... [FILTER]...",
    summary: "the tests under AddressSanitizer and LeakSanitizer, with a nightly compiler",
    run,
};

/// The target the sanitizers are run for.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The trace of a panic takes seconds to print here, and a poll that takes so long is told to observers.
const ENVIRONMENT: [(&str, &str); 4] = [
    (
        "RUSTFLAGS",
        "-Zsanitizer=address --cfg arborio_no_cell_cache",
    ),
    ("ASAN_OPTIONS", "detect_leaks=1"),
    ("CARGO_INCREMENTAL", "0"),
    ("RUST_BACKTRACE", "0"),
];

const LEFT_OUT: &[LeftOut] = &[
    ("arborio", "compile_fail::", COMPILES),
    ("arborio", "macros_refused::", COMPILES),
    (
        "arborio",
        "x24_without_any_thread_the_job_of_a_loop_ends_with_an_error_of_the_system",
        LIMITS,
    ),
    (
        "arborio",
        "x24_s29_without_a_thread_a_hop_is_an_error_that_says_so",
        LIMITS,
    ),
];

/// A reason.
const COMPILES: &str =
    "it starts a compiler, which knows neither the flags nor the folders of this build";

/// Another one.
const LIMITS: &str = "it leaves the process a mebibyte, and the sanitizer needs more for a thread";

fn run(mut arguments: Arguments) -> Outcome {
    let mut crates = arguments.values("-p")?;
    let filters = arguments.words()?;
    if !tool::has_nightly() {
        return Ok(vec!["sanitize (no nightly toolchain)".into()]);
    }
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        return Ok(vec![format!("sanitize (set up for {TARGET} only)")]);
    }
    let workspace = Workspace::load()?;
    if crates.is_empty() {
        let chosen = workspace
            .publishable()
            .filter(|package| !abort::is_macro(package));
        crates.extend(chosen.map(|package| package.name.clone()));
    }
    let mut command = tests(&crates, &filters, tool::has_cargo("nextest"));
    command.env("CARGO_TARGET_DIR", workspace.target_dir.join("asan"));
    tool::run(&mut command)?;
    Ok(left_out::told("sanitize", LEFT_OUT, &crates))
}

/// The tests of these crates. `nextest` runs each in a process of its own, so that a leak is that of a test.
fn tests(crates: &[String], filters: &[String], nextest: bool) -> Command {
    let mut command = tool::nightly_cargo(abort::line(nextest));
    command.args(["--target", TARGET]);
    command.args(crates.iter().flat_map(|name| ["-p", name]));
    command.arg("--").args(filters);
    command.args(left_out::skips(LEFT_OUT, crates));
    command.envs(ENVIRONMENT).env_remove("LSAN_OPTIONS");
    command
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn what_is_left_out_exists() {
        left_out::check(LEFT_OUT);
    }

    #[test]
    fn leaks_are_errors_and_nothing_is_suppressed() {
        for nextest in [false, true] {
            let command = tests(&["arborio".into()], &["word".into()], nextest);
            let set: Vec<_> = command.get_envs().collect();
            let leaks = (
                OsStr::new("ASAN_OPTIONS"),
                Some(OsStr::new("detect_leaks=1")),
            );
            assert!(set.contains(&leaks), "{set:?}");
            assert!(set.contains(&(OsStr::new("LSAN_OPTIONS"), None)), "{set:?}");
            let words: Vec<_> = command
                .get_args()
                .map(|word| word.display().to_string())
                .collect();
            let line = words.join(" ");
            let end = "-p arborio -- word --skip compile_fail:: --skip macros_refused:: ";
            assert!(line.contains(end), "{line}");
        }
    }
}
