//! `cargo xtask tidy`: what must hold for the tree as a whole, and what no test sees.

mod decided;
mod edges;
mod manifests;
mod pages;
mod sources;
pub(crate) mod tree;

use std::process::Command;

use crate::arguments::Arguments;
use crate::workspace::Workspace;
use crate::{Outcome, Verb, table, tool};

pub(crate) const VERB: Verb = Verb {
    name: "tidy",
    usage: "tidy [--fast]",
    summary: "layering, layout, unsafe, links, fmt, clippy, docs (--fast: without building)",
    run,
};

/// What a check found.
pub(super) enum Finding {
    /// Nothing to say.
    Clean,
    /// Worth a look, but no failure.
    Notes(Vec<String>),
    /// Each one a failure.
    Problems(Vec<String>),
    /// Why the check could not be done.
    Skipped(String),
}

impl Finding {
    /// Clean where the list is empty.
    fn problems(list: Vec<String>) -> Self {
        if list.is_empty() {
            Self::Clean
        } else {
            Self::Problems(list)
        }
    }

    fn notes(list: Vec<String>) -> Self {
        if list.is_empty() {
            Self::Clean
        } else {
            Self::Notes(list)
        }
    }

    fn in_one_word(&self) -> String {
        match self {
            Self::Clean => "ok".into(),
            Self::Notes(list) => format!("ok, {} to look at", list.len()),
            Self::Problems(list) => format!("{} FOUND", list.len()),
            Self::Skipped(_) => "skipped".into(),
        }
    }
}

/// One check by name.
struct Check {
    name: &'static str,
    find: fn(&Workspace) -> Result<Finding, String>,
}

/// Checks that only read.
const READING: &[Check] = &[
    Check {
        name: "crate edges",
        find: |workspace| Ok(edges::check(workspace)),
    },
    Check {
        name: "manifests",
        find: |workspace| Ok(manifests::check(workspace)),
    },
    Check {
        name: "rust-version",
        find: manifests::compiler,
    },
    Check {
        name: "decided dependencies",
        find: |workspace| Ok(decided::check(workspace)),
    },
    Check {
        name: "top level",
        find: |_| tree::top_level(),
    },
    Check {
        name: "unsafe has a reason",
        find: |_| sources::unsafe_without_reason(),
    },
    Check {
        name: "nothing unfinished",
        find: |_| sources::unfinished(),
    },
    Check {
        name: "long files",
        find: |_| sources::long_files(),
    },
    Check {
        name: "README length",
        find: |_| pages::readme_length(),
    },
    Check {
        name: "links",
        find: |_| pages::links(),
    },
];

/// Checks that start cargo.
const BUILDING: &[Check] = &[
    Check {
        name: "fmt",
        find: |_| Ok(fmt()),
    },
    Check {
        name: "clippy",
        find: |_| Ok(clippy()),
    },
    Check {
        name: "doc",
        find: |_| Ok(doc()),
    },
];

fn run(mut arguments: Arguments) -> Outcome {
    let fast = arguments.flag("--fast");
    arguments.nothing_left()?;
    let workspace = Workspace::load()?;
    let building = if fast { &[] } else { BUILDING };
    let (mut rows, mut details, mut problems) = (Vec::new(), String::new(), 0);
    let mut skipped = Vec::new();
    for check in READING.iter().chain(building) {
        let (finding, took) = tool::timed(|| (check.find)(&workspace));
        let finding = finding.unwrap_or_else(|why| Finding::Problems(vec![why]));
        rows.push(vec![
            check.name.into(),
            tool::seconds(took),
            finding.in_one_word(),
        ]);
        match finding {
            Finding::Clean => {}
            Finding::Notes(list) => details += &listed("note", check.name, &list),
            Finding::Problems(list) => {
                problems += list.len();
                details += &listed("problem", check.name, &list);
            }
            Finding::Skipped(why) => skipped.push(format!("tidy: {} ({why})", check.name)),
        }
    }
    println!(
        "\n{}{details}",
        table::render(&["check", "took", "result"], rows)
    );
    match problems {
        0 => Ok(skipped),
        count => Err(format!(
            "tidy found {count} problem{}",
            if count == 1 { "" } else { "s" }
        )),
    }
}

fn listed(kind: &str, check: &str, list: &[String]) -> String {
    list.iter()
        .map(|entry| format!("{kind}: {check}: {entry}\n"))
        .collect()
}

fn fmt() -> Finding {
    with_tool("fmt", &mut tool::cargo(["fmt", "--all", "--check"]))
}

fn clippy() -> Finding {
    let line = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    with_tool("clippy", &mut tool::cargo(line))
}

/// As docs.rs builds it: with what is behind features.
fn doc() -> Finding {
    let mut command = tool::cargo(["doc", "--no-deps", "--workspace", "--all-features"]);
    command.env("RUSTDOCFLAGS", "-Dwarnings");
    verdict(&mut command)
}

/// Runs `cargo <name>` where that part of the toolchain is installed.
fn with_tool(name: &str, command: &mut Command) -> Finding {
    if tool::has_cargo(name) {
        verdict(command)
    } else {
        Finding::Skipped(format!("cargo {name} is not installed"))
    }
}

fn verdict(command: &mut Command) -> Finding {
    Finding::problems(tool::run(command).err().into_iter().collect())
}
