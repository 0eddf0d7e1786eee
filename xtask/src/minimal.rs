//! `cargo xtask minimal`: the published crates with the oldest dependencies that their manifests allow.
//!
//! Everybody builds with the newest ones, so nobody notices when a manifest allows one that is too
//! old. The crates are copied, without the rest of the workspace and without `Cargo.lock`; then
//! cargo chooses the oldest direct dependencies (theirs are the newest, as they are not ours to
//! state), builds, and runs the tests.
//!
//! Cargo has that choice only behind a switch of its nightly; `RUSTC_BOOTSTRAP` opens it in a
//! stable one, for this one command, which compiles nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::arguments::Arguments;
use crate::workspace::Workspace;
use crate::{Outcome, Verb, tool};

pub(crate) const VERB: Verb = Verb {
    name: "minimal",
    usage: "minimal [--check]",
    summary: "tests the crates with the oldest dependencies they allow (--check: builds only)",
    run,
};

/// The line of the workspace's manifest that is another one in the copy.
const MEMBERS: &str = "members = [\"crates/*\", \"xtask\"]";

/// What tests read beside the crates.
const READ: [&str; 3] = ["README.md", "LICENSE", "docs"];

fn run(mut arguments: Arguments) -> Outcome {
    let check = arguments.flag("--check");
    arguments.nothing_left()?;
    let workspace = Workspace::load()?;
    let copy = workspace.target_dir.join("minimal/workspace");
    make(&workspace, &copy)?;

    let mut update = in_copy(
        &copy,
        &["update", "--quiet", "-Z", "direct-minimal-versions"],
    );
    tool::run(update.env("RUSTC_BOOTSTRAP", "1"))?;

    let words: &[&str] = match check {
        true => &["check", "--all-targets"],
        false => &["test", "--lib", "--tests", "--no-fail-fast"],
    };
    let mut build = in_copy(&copy, words);
    build.args(["--workspace", "--all-features", "--locked"]);
    build.env(
        "CARGO_TARGET_DIR",
        workspace.target_dir.join("minimal/target"),
    );
    // Nobody debugs there, and without it the folder has a third of the size.
    build.envs([("CARGO_INCREMENTAL", "0"), ("CARGO_PROFILE_DEV_DEBUG", "0")]);
    tool::run(&mut build)?;
    Ok(Vec::new())
}

/// Cargo, in the copy.
fn in_copy(copy: &Path, words: &[&str]) -> Command {
    let mut command = tool::cargo(words);
    command.current_dir(copy);
    command
}

/// Copies what is published, and what its tests read.
fn make(workspace: &Workspace, copy: &Path) -> Result<(), String> {
    if copy.exists() {
        let removed = fs::remove_dir_all(copy);
        removed.map_err(|error| format!("{}: {error}", copy.display()))?;
    }
    for package in workspace.publishable() {
        let name = package.folder.file_name().expect("a crate has a folder");
        copy_all(&package.folder, &copy.join("crates").join(name))?;
    }
    for name in READ {
        copy_all(&tool::root().join(name), &copy.join(name))?;
    }
    let manifest = tool::root().join("Cargo.toml");
    let text = fs::read_to_string(&manifest).map_err(|error| format!("Cargo.toml: {error}"))?;
    fs::write(copy.join("Cargo.toml"), alone(&text)?).map_err(|error| error.to_string())
}

/// The workspace's manifest with no members but the crates that were copied.
fn alone(manifest: &str) -> Result<String, String> {
    if !manifest.contains(MEMBERS) {
        return Err(format!("Cargo.toml has no line `{MEMBERS}`"));
    }
    Ok(manifest.replace(MEMBERS, "members = [\"crates/*\"]"))
}

/// Copies a file, or a folder with all that is in it; what a link leads to, where it is a link.
fn copy_all(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", from.display());
    if !from.is_dir() {
        return fs::copy(from, to).map(drop).map_err(failed);
    }
    fs::create_dir_all(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name() != "target" {
            copy_all(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_of_the_copy_has_the_same_bounds_and_other_members() {
        let text = fs::read_to_string(tool::root().join("Cargo.toml")).unwrap();
        let alone = alone(&text).unwrap();
        assert!(!alone.contains("xtask"), "{alone}");
        let bounds = |text: &str| {
            text.split("[workspace.dependencies]")
                .nth(1)
                .map(String::from)
        };
        assert!(bounds(&text).is_some());
        assert_eq!(bounds(&text), bounds(&alone));
    }
}
