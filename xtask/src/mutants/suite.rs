//! The unit and integration tests of a crate, each run alone.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::copy::Copy;
use crate::built;
use crate::left_out::{self, LeftOut};
use crate::tidy::tree;
use crate::workspace::Package;

/// The bytes that a test may have, or a mutant that allocates for ever would take the machine. Address space that is only
/// reserved does not count, but stacks of threads do.
const MEMORY: u64 = 4 << 30;

/// One test.
pub(crate) struct Test {
    program: PathBuf,
    /// That of its crate, in the copy.
    folder: PathBuf,
    pub(crate) name: String,
}

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Well,
    Failed,
    /// It had not ended within its limit.
    Late,
}

/// Builds the tests of a crate in the copy and lists them, but for those that are left out.
pub(crate) fn build(
    copy: &Copy,
    package: &Package,
    left_out: &[LeftOut],
) -> Result<Vec<Test>, String> {
    let mut build = copy.cargo(&["test", "-q", "--no-run", "--lib", "--tests"]);
    build.args(["--all-features", "-p", &package.name]);
    let built = built::programs(&mut build)?;
    let folder = copy.root.join(tree::shown(&package.folder));
    let crates = [package.name.clone()];
    let parts: Vec<&str> = left_out::of(left_out, &crates)
        .map(|(_, part, _)| *part)
        .collect();
    let mut tests = Vec::new();
    for program in built.into_iter().filter(|built| built.tests) {
        let names = names(&program.program)?;
        let names = names
            .into_iter()
            .filter(|name| !parts.iter().any(|part| name.contains(part)));
        tests.extend(names.map(|name| Test {
            program: program.program.clone(),
            folder: folder.clone(),
            name,
        }));
    }
    Ok(tests)
}

/// The tests in a program.
fn names(program: &Path) -> Result<Vec<String>, String> {
    let mut command = Command::new(program);
    let listed = command.args(["--list", "--format=terse"]).output();
    let listed = listed.map_err(|error| format!("{}: {error}", program.display()))?;
    let listed = String::from_utf8_lossy(&listed.stdout);
    let names = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"));
    Ok(names.map(String::from).collect())
}

impl Test {
    /// Runs it with the mutant of this number, 0 for none. Whoever is asked about gets a 1 in the file `reached`.
    pub(crate) fn run(
        &self,
        mutant: usize,
        reached: Option<&Path>,
        limit: Duration,
    ) -> Result<Ended, String> {
        let mut command = limited(&self.program);
        command.args(["--exact", &self.name, "--test-threads=1"]);
        command
            .current_dir(&self.folder)
            .env("CARGO_MANIFEST_DIR", &self.folder);
        command
            .env("ARBORIO_MUTANT", mutant.to_string())
            .env("RUST_BACKTRACE", "0");
        match reached {
            Some(path) => command.env("ARBORIO_MUTANTS_REACHED", path),
            None => command.env_remove("ARBORIO_MUTANTS_REACHED"),
        };
        run(&mut command, limit).map_err(|error| format!("{}: {error}", self.name))
    }
}

/// Starts a program that has the limit of memory from its beginning, and so has whoever it starts.
fn limited(program: &Path) -> Command {
    let script = format!("ulimit -d {} && exec \"$0\" \"$@\"", MEMORY >> 10);
    let mut command = Command::new("sh");
    command.args(["-c", &script]).arg(program);
    command
}

/// Runs a program in silence, and ends all that it has started.
fn run(command: &mut Command, limit: Duration) -> std::io::Result<Ended> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.process_group(0).spawn()?;
    let group = Pid::from_child(&child);
    thread::scope(|threads| {
        let (sender, receiver) = mpsc::channel();
        threads.spawn(move || sender.send(child.wait()));
        let ended = receiver.recv_timeout(limit);
        let _ = kill_process_group(group, Signal::KILL);
        let Ok(status) = ended else {
            return Ok(Ended::Late);
        };
        Ok(match status?.success() {
            true => Ended::Well,
            false => Ended::Failed,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn sh(script: &str, limit: Duration) -> Ended {
        run(Command::new("sh").args(["-c", script]), limit).unwrap()
    }

    #[test]
    fn how_a_program_ends_is_seen() {
        assert_eq!(sh("true", LONG), Ended::Well);
        assert_eq!(sh("false", LONG), Ended::Failed);
        assert_eq!(sh("kill -9 $$", LONG), Ended::Failed);
        assert_eq!(
            sh("sleep 1000; true", Duration::from_millis(1)),
            Ended::Late
        );
    }

    #[test]
    fn a_program_has_so_much_memory_and_no_more() {
        let script = format!("[ \"$1 $(ulimit -d)\" = \"a b {}\" ]", MEMORY >> 10);
        let mut command = limited(Path::new("sh"));
        command.args(["-c", &script, "sh", "a b"]);
        assert_eq!(run(&mut command, LONG).unwrap(), Ended::Well);
    }
}
