//! Starting other programs: cargo, a nightly cargo, and asking whether a tool is installed.

use std::env;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent()
        .expect("xtask lies one folder below the workspace")
}

/// The cargo that started xtask, run from the root of the workspace.
pub(crate) fn cargo<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root()).args(arguments);
    command
}

/// The nightly cargo that rustup knows.
///
/// The variables by which the stable cargo passes itself on are taken away: with its
/// `LD_LIBRARY_PATH` the nightly compiler would load the stable one's libraries.
pub(crate) fn nightly_cargo<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new("rustup");
    command
        .current_dir(root())
        .args(["run", "nightly", "cargo"]);
    command.args(arguments);
    for name in [
        "CARGO",
        "RUSTC",
        "RUSTDOC",
        "RUSTUP_TOOLCHAIN",
        "LD_LIBRARY_PATH",
    ] {
        command.env_remove(name);
    }
    command
}

/// Whether a nightly toolchain is installed.
pub(crate) fn has_nightly() -> bool {
    answers(&mut nightly_cargo(["--version"]))
}

/// Whether `cargo <name>` exists.
pub(crate) fn has_cargo(name: &str) -> bool {
    answers(&mut cargo([name, "--version"]))
}

/// Runs a command in silence and says whether it ended well.
pub(crate) fn answers(command: &mut Command) -> bool {
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null());
    silent
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Shows the command line, runs it with our own output streams, and insists on exit code 0.
///
/// # Errors
/// The command line and how it ended.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let line = show(command);
    let status = command
        .status()
        .map_err(|error| format!("cannot start `{line}`: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{line}` failed ({status})"))
    }
}

/// Prints the command line on standard error as one could type it, and returns it.
pub(crate) fn show(command: &Command) -> String {
    let line = command_line(command);
    eprintln!("$ {line}");
    line
}

/// The command as one could type it at the root of the workspace.
fn command_line(command: &Command) -> String {
    let set = command
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    let mut words: Vec<String> = set
        .map(|(name, value)| format!("{}={}", name.display(), quoted(value)))
        .collect();
    let program = Path::new(command.get_program());
    words.push(quoted(program.file_name().unwrap_or(program.as_os_str())));
    words.extend(command.get_args().map(quoted));
    words.join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    if word.is_empty() || word.contains([' ', '\'', '"', '*', '$']) {
        return format!("{word:?}");
    }
    word.into_owned()
}

/// Runs `work` and says how long it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

/// Seconds with one decimal, for tables.
pub(crate) fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_typed_again() {
        let mut command = Command::new("/somewhere/bin/cargo");
        command
            .args(["test", "-p", "arborio-task"])
            .env("RUSTFLAGS", "--cfg loom");
        command.env_remove("CARGO");
        assert_eq!(
            command_line(&command),
            "RUSTFLAGS=\"--cfg loom\" cargo test -p arborio-task"
        );
    }

    #[test]
    fn a_failing_command_is_an_error_that_names_it() {
        let error = run(&mut cargo(["no-such-command-here"])).unwrap_err();
        assert!(error.contains("no-such-command-here"), "{error}");
    }
}
