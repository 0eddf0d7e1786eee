//! `cargo xtask bench`: hands everything on to the program of arborio-bench, built for release.

use crate::arguments::Arguments;
use crate::{Outcome, Verb, tool};

pub(crate) const VERB: Verb = Verb {
    name: "bench",
    usage: "bench [--quick] [SCENARIO]... [-- ARGUMENTS OF arborio-bench]",
    summary: "measures Arborio beside other runtimes, interleaved in one run",
    run,
};

fn run(mut arguments: Arguments) -> Outcome {
    let mut line: Vec<String> = ["run", "--release", "-p", "arborio-bench", "--"]
        .map(String::from)
        .to_vec();
    if arguments.flag("--quick") {
        line.push("--quick".into());
    }
    let handed_on = arguments.handed_on();
    line.extend(arguments.words()?);
    line.extend(handed_on);
    tool::run(&mut tool::cargo(line))?;
    Ok(Vec::new())
}
