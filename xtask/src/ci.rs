//! `cargo xtask ci`: every verb in turn, each timed; `--deep` adds what takes long or needs tools.
//!
//! A failure does not stop the steps after it, so that one run tells all. What a machine cannot
//! do is skipped by name and counted.

use std::time::Duration;

use crate::arguments::Arguments;
use crate::{Outcome, Skipped, VERBS, Verb, table, tool};
use crate::{deep, repl};

pub(crate) const VERB: Verb = Verb {
    name: "ci",
    usage: "ci [--deep] [--skip STEP]... [--only STEP]...",
    summary: "tidy, packages, test, model, schedules, examples, demo, faults, console (--deep: sanitizers, valgrind, a soak, fuzzing, deeper models)",
    run,
};

/// One line of the summary.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) run: fn() -> Outcome,
}

/// What every run does.
const DEFAULT: &[Step] = &[
    Step {
        name: "tidy",
        run: || verb("tidy", &[]),
    },
    Step {
        name: "bench-check",
        run: check_bench,
    },
    Step {
        name: "package",
        run: || verb("package", &[]),
    },
    Step {
        name: "test",
        run: || verb("test", &[]),
    },
    Step {
        name: "model",
        run: || verb("model", &[]),
    },
    Step {
        name: "schedules",
        run: || verb("schedules", &[]),
    },
    Step {
        name: "examples",
        run: || verb("examples", &[]),
    },
    Step {
        name: "demo",
        run: || verb("demo", &["--quick"]),
    },
    Step {
        name: "faults",
        run: || verb("faults", &[]),
    },
    Step {
        name: "console",
        run: repl::check_if_built,
    },
];

fn run(mut arguments: Arguments) -> Outcome {
    let deep = arguments.flag("--deep");
    let skip = arguments.values("--skip")?;
    let only = arguments.values("--only")?;
    arguments.nothing_left()?;
    let steps: Vec<&Step> = DEFAULT
        .iter()
        .chain(if deep { deep::STEPS } else { &[] })
        .collect();
    let known = |name: &String| steps.iter().any(|step| step.name == name);
    if let Some(name) = skip.iter().chain(&only).find(|name| !known(name)) {
        let names: Vec<&str> = steps.iter().map(|step| step.name).collect();
        return Err(format!(
            "there is no step `{name}`; there are: {}",
            names.join(", ")
        ));
    }
    let chosen = |step: &&Step| {
        let is = |name: &String| name == step.name;
        (only.is_empty() || only.iter().any(is)) && !skip.iter().any(is)
    };
    let (chosen, left_out): (Vec<&Step>, Vec<&Step>) = steps.into_iter().partition(chosen);
    let mut skipped: Skipped = left_out
        .iter()
        .map(|step| format!("{} (not asked for)", step.name))
        .collect();
    let results: Vec<_> = chosen.into_iter().map(take).collect();
    println!("\n{}", summary(&results));
    let failed: Vec<&str> = results
        .iter()
        .filter(|result| result.outcome.is_err())
        .map(|result| result.name)
        .collect();
    if !failed.is_empty() {
        return Err(format!("failed: {}", failed.join(", ")));
    }
    skipped.extend(
        results
            .into_iter()
            .filter_map(|result| result.outcome.ok())
            .flatten(),
    );
    println!("everything passed, {} skipped", skipped.len());
    Ok(skipped)
}

/// How a step ended.
struct Taken {
    name: &'static str,
    took: Duration,
    outcome: Outcome,
}

fn take(step: &Step) -> Taken {
    println!("\n=== {} ===", step.name);
    let (outcome, took) = tool::timed(step.run);
    if let Err(why) = &outcome {
        eprintln!("error: {why}");
    }
    Taken {
        name: step.name,
        took,
        outcome,
    }
}

fn summary(results: &[Taken]) -> String {
    let row = |result: &Taken| {
        let (verdict, remark) = match &result.outcome {
            Ok(skipped) if skipped.is_empty() => ("ok".into(), String::new()),
            Ok(skipped) => (format!("ok, {} skipped", skipped.len()), skipped.join("; ")),
            Err(why) => (
                "FAILED".into(),
                why.lines().next().unwrap_or_default().into(),
            ),
        };
        vec![
            result.name.into(),
            tool::seconds(result.took),
            verdict,
            remark,
        ]
    };
    let total: Duration = results.iter().map(|result| result.took).sum();
    let table = table::render(
        &["step", "took", "result", "remark"],
        results.iter().map(row),
    );
    format!("{table}total {}", tool::seconds(total))
}

/// Runs another verb as a step.
pub(crate) fn verb(name: &str, words: &[&str]) -> Outcome {
    let verb = VERBS
        .iter()
        .find(|verb| verb.name == name)
        .expect("steps name verbs");
    (verb.run)(Arguments::new(
        words.iter().copied().map(String::from),
        verb.usage,
    ))
}

/// The benches compile. Running them needs a release build of every peer, which is for `--deep`.
fn check_bench() -> Outcome {
    tool::run(&mut tool::cargo([
        "check",
        "-p",
        "arborio-bench",
        "--all-targets",
    ]))?;
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_shows_failures_and_counts_what_was_skipped() {
        let took = Duration::from_millis(1500);
        let results = [
            Taken {
                name: "test",
                took,
                outcome: Err("two tests failed\nmore".into()),
            },
            Taken {
                name: "tidy",
                took,
                outcome: Ok(vec!["clippy (not installed)".into()]),
            },
        ];
        let text = summary(&results);
        assert!(
            text.contains("FAILED") && text.contains("two tests failed"),
            "{text}"
        );
        assert!(!text.contains("more"), "{text}");
        assert!(
            text.contains("ok, 1 skipped") && text.contains("clippy"),
            "{text}"
        );
        assert!(text.ends_with("total 3.0 s"), "{text}");
    }

    #[test]
    fn every_step_has_a_name_of_its_own() {
        let mut names: Vec<&str> = DEFAULT
            .iter()
            .chain(deep::STEPS)
            .map(|step| step.name)
            .collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
