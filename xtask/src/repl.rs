//! `cargo xtask repl`: builds the console and becomes it.
//!
//! The console is a workspace of its own, for it uses evcxr, and with that rust-analyzer: some 300
//! crates that nobody builds who does not ask for it.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::arguments::Arguments;
use crate::workspace::Workspace;
use crate::{Outcome, Verb, tool};

pub(crate) const VERB: Verb = Verb {
    name: "repl",
    usage: "repl [--check]",
    summary: "an interactive session with `.await` at the prompt (--check: its tests; docs/console.md)",
    run,
};

fn run(mut arguments: Arguments) -> Outcome {
    let check = arguments.flag("--check");
    arguments.nothing_left()?;
    let target = target()?;
    if check {
        tool::run(&mut console("test", &target))?;
        return Ok(Vec::new());
    }
    tool::run(&mut console("build", &target))?;
    let program = program(&target);
    // Ctrl-C is the console's business, so nobody stands between it and the terminal.
    let error = Command::new(&program).exec();
    Err(format!("cannot start {}: {error}", program.display()))
}

/// The tests of the console, where it was built before: its first build takes minutes.
pub(crate) fn check_if_built() -> Outcome {
    let target = target()?;
    if !program(&target).exists() {
        let skipped = "console (it is not built; `cargo xtask repl --check` does, and tests it)";
        return Ok(vec![skipped.into()]);
    }
    tool::run(&mut console("test", &target))?;
    Ok(Vec::new())
}

/// Cargo for the console's own workspace.
fn console(verb: &str, target: &Path) -> Command {
    let manifest = tool::root().join("crates/arborio-console/Cargo.toml");
    let mut command = tool::cargo([verb, "--manifest-path"]);
    command.arg(manifest).arg("--target-dir").arg(target);
    command
}

/// Where the console is built.
fn target() -> Result<PathBuf, String> {
    Ok(Workspace::load()?.target_dir.join("console"))
}

fn program(target: &Path) -> PathBuf {
    target.join("debug/arborio-console")
}
