//! The command line: a parent that plans and reports, or a child that measures one thing.

use std::process::ExitCode;

use crate::scenarios::{ALL, Scenario, echo};
use crate::{child, machine, report, rounds};

/// Runs the benchmarks that the command line names.
///
/// Fails if an argument is not known or a report cannot be written; a goal that is missed is not
/// a failure.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        Some(child::FLAG) => child::main(&arguments[1..]),
        Some(echo::control::FLAG) => echo::serve(&arguments[1..]),
        _ => parent(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("arborio-bench: {message}");
            ExitCode::FAILURE
        }
    }
}

/// What a run was asked for.
struct Request {
    quick: bool,
    only: Vec<String>,
    scenarios: Vec<&'static Scenario>,
}

fn parent(arguments: &[String]) -> Result<(), String> {
    if arguments
        .iter()
        .any(|argument| matches!(argument.as_str(), "--help" | "-h" | "--list"))
    {
        print!("{}", usage());
        return Ok(());
    }
    let request = Request::parse(arguments)?;
    let machine = machine::Machine::of_this_run(arguments);
    let results = rounds::run(&request.scenarios, request.quick, &request.only)?;
    report::publish(&machine, &results, request.quick)
}

impl Request {
    fn parse(arguments: &[String]) -> Result<Request, String> {
        let mut request = Request {
            quick: false,
            only: Vec::new(),
            scenarios: Vec::new(),
        };
        for argument in arguments {
            if argument == "--quick" {
                request.quick = true;
            } else if let Some(names) = argument.strip_prefix("--only=") {
                request.only.extend(names.split(',').map(str::to_owned));
            } else {
                request.scenarios.extend(matching(argument)?);
            }
        }
        if request.scenarios.is_empty() {
            request.scenarios.extend(ALL);
        }
        Ok(request)
    }
}

/// The scenario of that name, or every one whose name begins with it (`echo`, `yield`).
fn matching(name: &str) -> Result<Vec<&'static Scenario>, String> {
    if let Some(exact) = ALL.iter().find(|scenario| scenario.key == name) {
        return Ok(vec![exact]);
    }
    let family: Vec<_> = ALL
        .iter()
        .filter(|scenario| scenario.key.starts_with(name))
        .collect();
    if family.is_empty() || name.starts_with('-') {
        return Err(format!("unknown argument {name:?}\n\n{}", usage()));
    }
    Ok(family)
}

fn usage() -> String {
    let mut text = String::from(
        "cargo xtask bench [--quick] [--only=contestant,...] [scenario...]\n\nScenarios (the beginning of a name takes the family):\n",
    );
    for scenario in ALL {
        text += &format!("  {:<20} {}\n", scenario.key, scenario.what);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_takes_one_scenario_and_a_beginning_takes_the_family() {
        let keys =
            |name| matching(name).map(|found| found.iter().map(|s| s.key).collect::<Vec<_>>());
        assert_eq!(keys("yield-1"), Ok(vec!["yield-1"]));
        assert_eq!(keys("yield"), Ok(vec!["yield-1", "yield-1000"]));
    }

    #[test]
    fn an_unknown_argument_is_refused_with_the_list() {
        let Err(message) = Request::parse(&["--fast".to_owned()]) else {
            panic!("--fast is no argument");
        };
        assert!(message.contains("--fast") && message.contains("spawn-join"));
    }
}
