//! The steps of `cargo xtask ci --deep`: minutes each, some with tools a bare machine lacks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ci::{self, Step};
use crate::tidy::tree;
use crate::workspace::Workspace;
use crate::{Outcome, model, rust_lines, schedules, table, tool};

pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "sanitize",
        run: || ci::verb("sanitize", &[]),
    },
    Step {
        name: "deep-test",
        run: deep_test,
    },
    Step {
        name: "abort",
        run: || ci::verb("abort", &[]),
    },
    Step {
        name: "valgrind",
        run: || ci::verb("valgrind", &[]),
    },
    Step {
        name: "soak",
        run: || ci::verb("soak", &[]),
    },
    Step {
        name: "deep-model",
        run: deep_model,
    },
    Step {
        name: "many-schedules",
        run: schedules::explore_many,
    },
    Step {
        name: "each-feature",
        run: || ci::verb("features", &[]),
    },
    Step {
        name: "minimal-versions",
        run: || ci::verb("minimal", &[]),
    },
    Step {
        name: "build-packages",
        run: || ci::verb("package", &["--verify"]),
    },
    Step {
        name: "fuzz",
        run: fuzz,
    },
    Step {
        name: "all-faults",
        run: || ci::verb("faults", &["--all"]),
    },
    Step {
        name: "mutants",
        run: || ci::verb("mutants", &[]),
    },
    Step {
        name: "bench",
        run: || ci::verb("bench", &["--quick", "spawn-join"]),
    },
    Step {
        name: "code-size",
        run: code_size,
    },
];

/// Cases per property, where the property does not fix the number itself.
const CASES: &str = "100000";

/// Seconds for each fuzz target.
const FUZZ_SECONDS: u32 = 120;

/// Every suite at its large size: tests that have one read `ARBORIO_DEEP`, and properties run
/// many more cases. Optimised, or it would take hours, but with the checks of a debug build; in
/// a target folder of its own because the profile differs.
fn deep_test() -> Outcome {
    let target_dir = Workspace::load()?.target_dir.join("deep");
    let mut command = tool::cargo(["test", "--release", "--no-fail-fast", "--lib", "--tests"]);
    command.args(["--workspace", "--exclude", "arborio-bench"]);
    command
        .env("ARBORIO_DEEP", "1")
        .env("PROPTEST_CASES", CASES);
    command.env("CARGO_TARGET_DIR", target_dir);
    for (setting, value) in [
        ("LTO", "off"),
        ("CODEGEN_UNITS", "16"),
        ("DEBUG_ASSERTIONS", "true"),
        ("OVERFLOW_CHECKS", "true"),
    ] {
        command.env(format!("CARGO_PROFILE_RELEASE_{setting}"), value);
    }
    tool::run(&mut command)?;
    Ok(Vec::new())
}

/// The models with one more preemption.
fn deep_model() -> Outcome {
    model::explore(&[], &[], 4)
}

/// Every fuzz target for a bounded time.
fn fuzz() -> Outcome {
    let folders = fuzz_folders(&Workspace::load()?);
    if folders.is_empty() {
        return Ok(vec!["fuzz (no crate has a fuzz target)".into()]);
    }
    if !tool::has_nightly() || !tool::answers(&mut tool::nightly_cargo(["fuzz", "--version"])) {
        return Ok(vec![
            "fuzz (cargo-fuzz or the nightly toolchain is not installed)".into(),
        ]);
    }
    for folder in folders {
        for target in fuzz_targets(&folder)? {
            let limit = format!("-max_total_time={FUZZ_SECONDS}");
            tool::run(&mut in_folder(
                &folder,
                &["fuzz", "run", &target, "--", &limit],
            ))?;
        }
    }
    Ok(Vec::new())
}

/// The crates with a `fuzz` folder.
fn fuzz_folders(workspace: &Workspace) -> Vec<PathBuf> {
    let folders = workspace
        .packages
        .iter()
        .map(|package| package.folder.clone());
    folders
        .filter(|folder| folder.join("fuzz/Cargo.toml").exists())
        .collect()
}

fn fuzz_targets(folder: &Path) -> Result<Vec<String>, String> {
    let output = in_folder(folder, &["fuzz", "list"]).output();
    let output = output.map_err(|error| format!("cannot start cargo-fuzz: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "`cargo fuzz list` in {} failed: {said}",
            tree::shown(folder)
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(String::from)
        .collect())
}

fn in_folder(folder: &Path, line: &[&str]) -> Command {
    let mut command = tool::nightly_cargo(line);
    command.current_dir(folder);
    command
}

/// How large the project is, for the record: code and comment per crate.
fn code_size() -> Outcome {
    let mut rows = Vec::new();
    let mut total = Size::default();
    for package in Workspace::load()?.packages {
        let folder = tree::shown(&package.folder);
        let mut size = Size::default();
        for path in tree::files(&[&folder], ".rs")? {
            let text = fs::read_to_string(&path).map_err(|error| format!("{folder}: {error}"))?;
            size.add(&text);
        }
        total.code += size.code;
        total.comment += size.comment;
        rows.push(size.row(&package.name));
    }
    rows.push(total.row("all"));
    println!(
        "{}",
        table::render(&["crate", "lines of code", "lines of comment"], rows)
    );
    Ok(Vec::new())
}

#[derive(Default)]
struct Size {
    code: usize,
    comment: usize,
}

impl Size {
    fn add(&mut self, source: &str) {
        let lines = rust_lines::split(source);
        self.code += lines.iter().filter(|line| line.is_code()).count();
        self.comment += lines.iter().filter(|line| line.is_comment()).count();
    }

    fn row(&self, name: &str) -> Vec<String> {
        vec![name.into(), self.code.to_string(), self.comment.to_string()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_count_as_nothing_and_a_line_with_both_as_code() {
        let mut size = Size::default();
        size.add("//! Doc.\n\nfn f() {} // does nothing\n/* a\nb */\n");
        assert_eq!((size.code, size.comment), (1, 3));
    }
}
