//! The one door to Arborio: `cargo xtask <verb>`.
//!
//! One file per verb. What CI runs, a laptop runs by the same verb. xtask depends on no Arborio
//! crate: it starts cargo, the examples, the demo server and the console as other processes, and
//! judges what they print.
#![forbid(unsafe_code)]

mod abort;
mod arguments;
mod bench;
mod built;
mod ci;
mod deep;
mod demo;
mod examples;
mod faults;
mod features;
mod left_out;
mod minimal;
mod model;
mod mutants;
mod package;
mod parallel;
mod repl;
mod rust_lines;
mod sanitize;
mod schedules;
mod soak;
mod table;
mod test;
mod tidy;
mod tool;
mod valgrind;
mod workspace;

use std::process::ExitCode;

use arguments::Arguments;

/// What a verb comes back with: the names of what it had to skip, or one readable reason to fail.
type Outcome = Result<Skipped, String>;

/// The checks a verb could not do on this machine, each with its reason.
type Skipped = Vec<String>;

/// One word after `cargo xtask`.
struct Verb {
    name: &'static str,
    usage: &'static str,
    summary: &'static str,
    run: fn(Arguments) -> Outcome,
}

const VERBS: &[Verb] = &[
    test::VERB,
    model::VERB,
    schedules::VERB,
    examples::VERB,
    demo::VERB,
    faults::VERB,
    abort::VERB,
    sanitize::VERB,
    valgrind::VERB,
    soak::VERB,
    mutants::VERB,
    bench::VERB,
    repl::VERB,
    package::VERB,
    features::VERB,
    minimal::VERB,
    tidy::VERB,
    ci::VERB,
];

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let Some(name) = words.next() else {
        eprint!("{}", help());
        return ExitCode::FAILURE;
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        print!("{}", help());
        return ExitCode::SUCCESS;
    }
    let Some(verb) = VERBS.iter().find(|verb| verb.name == name) else {
        eprint!("error: there is no verb `{name}`\n\n{}", help());
        return ExitCode::FAILURE;
    };
    let mut arguments = Arguments::new(words, verb.usage);
    if arguments.flag("--help") || arguments.flag("-h") {
        println!("Usage: cargo xtask {}\n\n{}", verb.usage, verb.summary);
        return ExitCode::SUCCESS;
    }
    match (verb.run)(arguments) {
        Ok(skipped) => {
            for what in &skipped {
                eprintln!("skipped: {what}");
            }
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Every verb with one line.
fn help() -> String {
    let rows = VERBS
        .iter()
        .map(|verb| vec![verb.name.into(), verb.summary.into()]);
    format!(
        "Usage: cargo xtask <verb> [--help]\n\n{}",
        table::render(&["verb", "what it does"], rows)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_verb_and_each_usage_begins_with_its_name() {
        for verb in VERBS {
            assert!(verb.usage.starts_with(verb.name), "{}", verb.usage);
            assert!(help().contains(verb.summary), "{}", verb.name);
        }
    }
}
