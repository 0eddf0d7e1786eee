//! `cargo xtask mutants`: small changes of the code that some test has to notice.
//!
//! cargo-mutants lists them. All are put into one copy of the crate, each behind a switch, so the tests are built once:
//! the environment of a test says which mutant is on. A first run of each test shows which switches it comes to, and only
//! those mutants meet it. So a crate takes minutes; cargo-mutants itself builds it anew for each.
//!
//! A mutant that the tests of its crate pass over meets those of the crates that `--also` names, and with `--examples` the
//! examples in its documentation. Those that nothing notices are listed: each is a test that is missing, or a change that
//! changes nothing.

mod build;
mod constants;
mod copy;
mod errors;
mod examples;
mod judge;
mod left_out;
mod list;
mod place;
mod sample;
mod suite;
mod tally;
mod weave;
#[cfg(test)]
mod whole;
#[cfg(test)]
mod woven;

use std::collections::BTreeSet;
use std::iter;
use std::str::FromStr;

use crate::arguments::Arguments;
use crate::left_out::{LeftOut, told};
use crate::tidy::tree;
use crate::workspace::{Package, Workspace};
use crate::{Outcome, Skipped, Verb, abort, table, tool};

use copy::Copy;
use tally::Tally;

pub(crate) const VERB: Verb = Verb {
    name: "mutants",
    usage: "mutants [-p CRATE]... [--file GLOB]... [--sample N] [--draw K] [--also CRATE]... [--examples]",
    summary: "changes small crates, or those named, and looks whether tests notice",
    run,
};

/// Crates of which a run takes a minute.
const SMALL: [&str; 1] = ["arborio-base"];

/// Tests that would not see a mutant, unless it is one of a macro.
const LEFT_OUT: &[LeftOut] = &[
    ("arborio", "compile_fail::", COMPILES),
    ("arborio", "macros_refused::", COMPILES),
];

/// A reason.
const COMPILES: &str =
    "it starts a compiler for each case, and sees nothing of a crate that has been built";

/// Another one.
const FAILS: &str = "it fails without a mutant";

/// What is tried, and by whom.
struct Plan {
    files: Vec<String>,
    most: usize,
    draw: u64,
    also: Vec<String>,
    examples: bool,
}

fn run(mut arguments: Arguments) -> Outcome {
    let mut crates = arguments.values("-p")?;
    let plan = Plan {
        files: arguments.values("--file")?,
        most: number(&mut arguments, "--sample", usize::MAX)?,
        draw: number(&mut arguments, "--draw", 0)?,
        also: arguments.values("--also")?,
        examples: arguments.flag("--examples"),
    };
    arguments.nothing_left()?;
    if !tool::has_cargo("mutants") {
        return Ok(vec!["mutants (cargo-mutants is not installed)".into()]);
    }
    if crates.is_empty() {
        crates.extend(SMALL.map(String::from));
    }
    let workspace = Workspace::load()?;
    let (mut rows, mut poor, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
    for name in &crates {
        let (tally, left_out) = plan.carry_out(&workspace, name)?;
        tally.print();
        rows.push(tally.row(name));
        skipped.extend(left_out);
        if !tally.is_enough() {
            poor.push(name.as_str());
        }
    }
    println!("{}", table::render(&tally::HEAD, rows));
    if poor.is_empty() {
        return Ok(skipped);
    }
    skipped.iter().for_each(|what| eprintln!("skipped: {what}"));
    let (enough, poor) = (tally::ENOUGH, poor.join(", "));
    Err(format!("less than {enough} % noticed: {poor}"))
}

impl Plan {
    /// Tries the mutants of one crate.
    fn carry_out(&self, workspace: &Workspace, name: &str) -> Result<(Tally, Skipped), String> {
        let changed = package(workspace, name)?;
        let library = library(changed)?;
        let left_out = match abort::is_macro(changed) {
            true => &[],
            false => LEFT_OUT,
        };
        let mut tally = self.choose(name)?;
        let folder = workspace.target_dir.join("mutants").join(name);
        let copy = Copy::make(&folder)?;
        build::put_in(&copy, name, &library, &self.also, &mut tally)?;

        let mut skipped = Vec::new();
        let also = self.also.iter().map(String::as_str);
        for owner in iter::once(name).chain(also) {
            if tally.left().is_empty() {
                break;
            }
            let tests = suite::build(&copy, package(workspace, owner)?, left_out)?;
            let useless = judge::judge(&folder, &tests, &mut tally)?;
            let useless = useless
                .iter()
                .map(|test| format!("mutants {owner} {test} ({FAILS})"));
            skipped.extend(useless);
            skipped.extend(told("mutants", left_out, &[owner.to_owned()]));
        }
        if self.examples {
            examples::judge(name, &folder, &mut tally)?;
        }
        Ok((tally, skipped))
    }

    /// The mutants that are tried.
    fn choose(&self, name: &str) -> Result<Tally, String> {
        let mut mutants = list::of(name, &self.files)?;
        let count = mutants.len();
        let names = mutants.iter().map(|mutant| mutant.name.clone()).collect();
        let names = sample::draw(names, self.most, self.draw);
        let names: BTreeSet<String> = names.into_iter().collect();
        mutants.retain(|mutant| names.contains(&mutant.name));
        Ok(Tally::of(count, mutants))
    }
}

fn package<'a>(workspace: &'a Workspace, name: &str) -> Result<&'a Package, String> {
    let mut packages = workspace.packages.iter();
    let package = packages.find(|package| package.name == name);
    package.ok_or_else(|| format!("there is no crate {name}"))
}

/// The file that the library of a crate starts in, as seen from the root.
fn library(package: &Package) -> Result<String, String> {
    let mut targets = package.targets.iter();
    let library = targets.find(|target| ["lib", "proc-macro"].contains(&&*target.kind));
    let library = library.ok_or_else(|| format!("{} has no library", package.name))?;
    Ok(tree::shown(&library.source))
}

/// The value of a flag that takes one, the last if it is there twice.
fn number<T: FromStr>(arguments: &mut Arguments, flag: &str, otherwise: T) -> Result<T, String> {
    match arguments.values(flag)?.last().map(|word| word.parse()) {
        None => Ok(otherwise),
        Some(Ok(number)) => Ok(number),
        Some(Err(_)) => Err(format!("{flag} needs a number; usage: {}", VERB.usage)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_exists() {
        crate::left_out::check(LEFT_OUT);
    }

    #[test]
    fn a_library_is_found_by_what_it_is() {
        let workspace = Workspace::load().unwrap();
        let of = |name| library(package(&workspace, name)?);
        assert_eq!(
            of("arborio-base").unwrap(),
            "crates/arborio-base/src/lib.rs"
        );
        assert_eq!(
            of("arborio-macros").unwrap(),
            "crates/arborio-macros/src/lib.rs"
        );
        assert!(of("xtask").unwrap_err().contains("no library"));
        assert!(of("nobody").unwrap_err().contains("no crate"));
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
