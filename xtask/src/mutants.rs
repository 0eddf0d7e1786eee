//! `cargo xtask mutants`: small changes of the code that some test has to notice, with cargo-mutants.
//!
//! Each mutant is a build and a run of tests, so this takes long, and runs for the crates that are asked for: the small
//! ones, unless somebody says otherwise. `--file` and `--sample` cut a crate down. A mutant that the tests of its crate
//! pass over meets the examples in its documentation next, and then the tests of the crates that `--also` names.
//! Those that nothing notices are listed: each is a test that is missing, or a change that changes nothing.

mod left_out;
mod pass;
mod tally;

use std::str::FromStr;

use crate::arguments::Arguments;
use crate::workspace::Workspace;
use crate::{Outcome, Verb, table, tool};

use left_out::LeftOut;
use pass::Pass;
use tally::Tally;

pub(crate) const VERB: Verb = Verb {
    name: "mutants",
    usage: "mutants [-p CRATE]... [--file GLOB]... [--sample N] [--draw K] [--also CRATE]...",
    summary: "changes small crates, or those named, and looks whether tests notice",
    run,
};

/// Crates of which a run takes minutes.
const SMALL: [&str; 1] = ["arborio-base"];

fn run(mut arguments: Arguments) -> Outcome {
    let mut crates = arguments.values("-p")?;
    let files = arguments.values("--file")?;
    let also = arguments.values("--also")?;
    let most = number(&mut arguments, "--sample", usize::MAX)?;
    let draw = number(&mut arguments, "--draw", 0)?;
    arguments.nothing_left()?;
    if !tool::has_cargo("mutants") {
        return Ok(vec!["mutants (cargo-mutants is not installed)".into()]);
    }
    if crates.is_empty() {
        crates.extend(SMALL.map(String::from));
    }
    let workspace = Workspace::load()?;
    let (mut rows, mut poor) = (Vec::new(), Vec::new());
    for name in &crates {
        let all = list(name, &files)?;
        let mut tally = Tally::of(all.len(), sampled(all, most, draw));
        for pass in Pass::all(name, &also) {
            pass.run(&workspace.target_dir.join("mutants").join(name), &mut tally)?;
        }
        tally.print();
        rows.push(tally.row(name));
        if !tally.is_enough() {
            poor.push(name.as_str());
        }
    }
    println!("{}", table::render(&tally::HEAD, rows));
    match poor[..] {
        [] => Ok(Vec::new()),
        _ => Err(format!(
            "less than {} % noticed: {}",
            tally::ENOUGH,
            poor.join(", ")
        )),
    }
}

/// 2^64 divided by the golden ratio: its multiples lie far apart.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The value of a flag that takes one, the last if it is there twice.
fn number<T: FromStr>(arguments: &mut Arguments, flag: &str, otherwise: T) -> Result<T, String> {
    match arguments.values(flag)?.last().map(|word| word.parse()) {
        None => Ok(otherwise),
        Some(Ok(number)) => Ok(number),
        Some(Err(_)) => Err(format!("{flag} needs a number; usage: {}", VERB.usage)),
    }
}

/// The mutants of a crate, or of some of its files, each as the tool names it: `file:line:column: what is changed`.
fn list(name: &str, files: &[String]) -> Result<Vec<String>, String> {
    let mut command = tool::cargo(["mutants", "--list", "--colors", "never", "-p", name]);
    command.args(files.iter().flat_map(|glob| ["--file", glob]));
    let line = tool::show(&command);
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{line}` failed:\n{said}"));
    }
    let left_out = LeftOut::of(name)?;
    let names = String::from_utf8_lossy(&output.stdout);
    let names = names.lines();
    let names = names.filter(|mutant| !left_out.holds(mutant) && !pass::is_always_tried(mutant));
    Ok(names.map(String::from).collect())
}

/// At most so many of them, as if drawn by lot, but the same ones each time. Another `draw` takes others.
fn sampled(mut mutants: Vec<String>, most: usize, draw: u64) -> Vec<String> {
    mutants.sort_by_key(|mutant| lot(mutant, draw));
    mutants.truncate(most);
    mutants.sort();
    mutants
}

/// FNV-1a, mixed once more, since names that differ in the end alone would lie side by side.
/// The draw is spread over the bits that it begins with, so that the first few are as far from each other as any.
fn lot(mutant: &str, draw: u64) -> u64 {
    let step = |lot: u64, byte: u8| (lot ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let start = 0xcbf2_9ce4_8422_2325 ^ draw.wrapping_mul(GOLDEN);
    let lot = mutant.bytes().fold(start, step);
    (lot ^ (lot >> 32)).wrapping_mul(GOLDEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thousand() -> Vec<String> {
        (0..1000).map(|n| format!("file.rs:{n}:1: x")).collect()
    }

    #[test]
    fn a_sample_is_the_same_each_time_and_from_everywhere() {
        let all = thousand();
        for draw in 0..4 {
            let some = sampled(all.clone(), 100, draw);
            assert_eq!(some, sampled(all.clone(), 100, draw));
            assert_eq!(some.len(), 100);
            let first_half = some.iter().filter(|name| all[..500].contains(name));
            assert!((35..=65).contains(&first_half.count()));
        }
        assert_eq!(sampled(all.clone(), usize::MAX, 0).len(), all.len());
    }

    #[test]
    fn another_draw_takes_others() {
        let draws: Vec<_> = (0..4).map(|draw| sampled(thousand(), 100, draw)).collect();
        for (first, second) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
            let again = draws[first].iter().filter(|n| draws[second].contains(n));
            let again = again.count();
            // Ten of a hundred by chance.
            assert!((2..=20).contains(&again), "{first}, {second}: {again}");
        }
    }

    #[test]
    fn the_first_draw_is_the_one_before_there_were_others() {
        assert_eq!(lot("a.rs:1:1: x", 0), 0xc716_5617_da0a_9ced);
    }

    #[test]
    fn a_flag_that_takes_a_number_says_so() {
        let of = |line: &str| Arguments::new(line.split(' ').map(String::from), VERB.usage);
        assert_eq!(number(&mut of("-p one"), "--draw", 7), Ok(7));
        assert_eq!(number(&mut of("--draw 1 --draw=2"), "--draw", 7), Ok(2));
        let error = number(&mut of("--draw x"), "--draw", 7).unwrap_err();
        assert!(error.contains("--draw needs a number"), "{error}");
    }
}
