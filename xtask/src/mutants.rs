//! `cargo xtask mutants`: small changes of the code that some test has to notice, with cargo-mutants.
//!
//! Each mutant is a build and a run of the crate's tests, so this takes long, and runs for the crates that are asked for: the
//! small ones, unless somebody says otherwise. Mutants that no test notices are listed: each is a test that is missing, or
//! a change that changes nothing.

use std::fs;
use std::path::Path;

use crate::arguments::Arguments;
use crate::workspace::Workspace;
use crate::{Outcome, Verb, table, tool};

pub(crate) const VERB: Verb = Verb {
    name: "mutants",
    usage: "mutants [-p CRATE]...",
    summary: "changes small crates, or those named, and looks whether their tests notice",
    run,
};

/// Crates of which a run takes minutes.
const SMALL: [&str; 1] = ["arborio-base"];

/// So many of a hundred mutants have to be noticed.
const ENOUGH: usize = 90;

/// What cargo-mutants ends with when mutants were missed (2) or ran out of time (3): a result, and no failure of the tool.
const RESULTS: [i32; 3] = [0, 2, 3];

fn run(mut arguments: Arguments) -> Outcome {
    let mut crates = arguments.values("-p")?;
    arguments.nothing_left()?;
    if !tool::has_cargo("mutants") {
        return Ok(vec!["mutants (cargo-mutants is not installed)".into()]);
    }
    if crates.is_empty() {
        crates.extend(SMALL.map(String::from));
    }
    let folder = Workspace::load()?.target_dir.join("mutants");
    let (mut rows, mut poor) = (Vec::new(), Vec::new());
    for name in &crates {
        let output = folder.join(name);
        fs::create_dir_all(&output).map_err(|error| format!("{}: {error}", output.display()))?;
        let mut command = tool::cargo(["mutants", "-p", name, "--no-times", "--output"]);
        command.arg(&output).args(["--", "--lib", "--tests"]);
        let line = tool::show(&command);
        let status = command.status().map_err(|error| error.to_string())?;
        if !status.code().is_some_and(|code| RESULTS.contains(&code)) {
            return Err(format!("`{line}` failed ({status})"));
        }
        let tally = Tally::read(&output.join("mutants.out"))?;
        if !tally.is_enough() {
            poor.push(name.as_str());
        }
        rows.push(tally.row(name));
        tally
            .missed
            .iter()
            .for_each(|mutant| println!("missed: {mutant}"));
    }
    println!(
        "{}",
        table::render(&["crate", "caught", "out of time", "missed"], rows)
    );
    match poor[..] {
        [] => Ok(Vec::new()),
        _ => Err(format!("less than {ENOUGH} % caught: {}", poor.join(", "))),
    }
}

/// What became of the mutants of a crate; those that do not compile do not count.
struct Tally {
    caught: usize,
    /// Noticed by a test that did not end.
    out_of_time: usize,
    missed: Vec<String>,
}

impl Tally {
    /// Reads the lists that cargo-mutants leaves, one mutant a line.
    fn read(folder: &Path) -> Result<Self, String> {
        let list = |name: &str| {
            let path = folder.join(name);
            let text = fs::read_to_string(&path);
            let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
            Ok::<_, String>(text.lines().map(String::from).collect::<Vec<_>>())
        };
        Ok(Self {
            caught: list("caught.txt")?.len(),
            out_of_time: list("timeout.txt")?.len(),
            missed: list("missed.txt")?,
        })
    }

    fn is_enough(&self) -> bool {
        let noticed = self.caught + self.out_of_time;
        noticed * 100 >= (noticed + self.missed.len()) * ENOUGH
    }

    fn row(&self, name: &str) -> Vec<String> {
        let figures = [self.caught, self.out_of_time, self.missed.len()];
        let mut row = vec![name.to_owned()];
        row.extend(figures.iter().map(usize::to_string));
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_of_ten_are_enough() {
        let tally = |caught, out_of_time, missed| Tally {
            caught,
            out_of_time,
            missed: vec![String::new(); missed],
        };
        assert!(tally(89, 1, 10).is_enough());
        assert!(!tally(89, 0, 11).is_enough());
        assert_eq!(tally(5, 1, 2).row("c"), ["c", "5", "1", "2"]);
    }

    #[test]
    fn a_list_that_is_missing_is_an_error() {
        assert!(Tally::read(Path::new("/nowhere")).is_err());
    }
}
