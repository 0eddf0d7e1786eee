//! `cargo xtask faults`: every system call that the runtime makes fails, with every error of its manual page, one at a
//! time.
//!
//! A run is one station of the probe (`crates/arborio-faults`) in a process of its own, and one fault: a call, an
//! error, and which call of each thread fails (the first, the second, the last, or every one). Within five seconds the
//! station has to say what came of it, and that is judged against `faults/table.rs`; no thread may panic, and no
//! descriptor and no thread may be left over that is not left over where nothing fails.

mod probe;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{fmt, thread};

use crate::arguments::Arguments;
use crate::{Outcome, Verb, examples, tool};

use probe::Left;
use table::{CALLS, Call, Expected, LEFT_OUT};

pub(crate) const VERB: Verb = Verb {
    name: "faults",
    usage: "faults [--all] [--call NAME]... [--error NAME]... [--station NAME]... [--verbose]",
    summary: "system calls fail, one at a time (--all: in every station, and more than the first)",
    run,
};

/// How many runs go on at once. They wait more than they compute.
const AT_ONCE: usize = 2;

/// What a debug build of the probe takes for one run is not worth an optimised one.
const BUILD: [&str; 3] = ["build", "-p", "arborio-faults"];

fn run(mut arguments: Arguments) -> Outcome {
    let all = arguments.flag("--all");
    let verbose = arguments.flag("--verbose");
    let calls = arguments.values("--call")?;
    let errors = arguments.values("--error")?;
    let chosen = arguments.values("--station")?;
    arguments.nothing_left()?;
    if !strace_works() {
        return Ok(vec!["faults (strace is missing or may not attach)".into()]);
    }
    let program = build()?;
    let mut stations = stations(&program)?;
    stations.retain(|name| chosen.is_empty() || chosen.contains(name));
    let stations = visit_undisturbed(&program, stations)?;
    let mut plan = plan(&stations, all);
    let wanted =
        |list: &[String], name: &str| list.is_empty() || list.iter().any(|one| one == name);
    plan.retain(|fault| wanted(&calls, fault.call) && wanted(&errors, fault.error));
    println!("{} runs", plan.len());
    let results = inject(&program, &plan, verbose)?;
    report(&plan, &results)
}

/// Whether strace is there, and may trace what it starts.
fn strace_works() -> bool {
    let mut command = std::process::Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "true"]);
    tool::answers(&mut command)
}

fn build() -> Result<PathBuf, String> {
    let built = examples::build(&BUILD)?.into_iter();
    let mut probe = built.filter(|(name, _)| name == "arborio-faults");
    let probe = probe.next().map(|(_, path)| path);
    probe.ok_or_else(|| "cargo built no arborio-faults".into())
}

/// The names of the stations.
fn stations(program: &Path) -> Result<Vec<String>, String> {
    let output = std::process::Command::new(program).output();
    let output = output.map_err(|error| format!("cannot start {}: {error}", program.display()))?;
    let names = String::from_utf8_lossy(&output.stdout);
    Ok(names.lines().map(String::from).collect())
}

/// A station, and what it does where nothing fails.
struct Station {
    name: String,
    /// What is there afterwards.
    usual: Left,
    /// How often one thread makes each call of the table, at most.
    calls: BTreeMap<&'static str, usize>,
}

/// Goes through every station without a fault.
fn visit_undisturbed(program: &Path, names: Vec<String>) -> Result<Vec<Station>, String> {
    let visit = |name: &String| {
        let expressions = ["trace=all".into()];
        let visit = probe::visit(program, name, &expressions, None)?;
        match &visit.told {
            Ok(told) if told.trim_end() == "ok" => {}
            Ok(said) | Err(said) => return Err(format!("{name} fails where no call does: {said}")),
        }
        let known = |call: &str| {
            CALLS.iter().any(|known| known.name == call)
                || LEFT_OUT.iter().any(|(known, _)| *known == call)
        };
        if let Some(call) = visit.calls.keys().find(|call| !known(call)) {
            return Err(format!(
                "{name} calls {call}, which is not in xtask/src/faults/table.rs"
            ));
        }
        let made = |call: &'static Call| Some((call.name, *visit.calls.get(call.name)?));
        Ok(Station {
            name: name.clone(),
            usual: visit.left,
            calls: CALLS.iter().filter_map(made).collect(),
        })
    };
    in_parallel(&names, visit).into_iter().collect()
}

/// One run.
struct Fault<'a> {
    station: &'a Station,
    call: &'static str,
    error: &'static str,
    expected: Expected,
    /// Which call of each thread fails; 0 for every one.
    number: usize,
}

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            station,
            call,
            error,
            ..
        } = self;
        let which = match self.number {
            0 => "every call".into(),
            number => format!("call {number}"),
        };
        write!(f, "{}: {call} {error}, {which}", station.name)
    }
}

/// All runs. Not `all`: each call with each of its errors fails once, the first time, each time in another station.
fn plan(stations: &[Station], all: bool) -> Vec<Fault<'_>> {
    let mut plan = Vec::new();
    for call in CALLS {
        let made: Vec<_> = stations
            .iter()
            .filter(|station| !table::is_made_by_others(call.name, &station.name))
            .filter_map(|station| Some((station, *station.calls.get(call.name)?)))
            .collect();
        for (turn, (error, expected)) in call.errors().enumerate() {
            let here = if all { &made[..] } else { one_of(&made, turn) };
            for &(station, count) in here {
                let numbers = if all { numbers(count) } else { vec![1] };
                let numbers = numbers
                    .into_iter()
                    .filter(|number| *number > 0 || table::may_fail_for_ever(call.name, error));
                plan.extend(numbers.map(|number| Fault {
                    station,
                    call: call.name,
                    error,
                    expected,
                    number,
                }));
            }
        }
    }
    plan
}

/// The one whose turn it is.
fn one_of<T>(all: &[T], turn: usize) -> &[T] {
    match all.len() {
        0 => &[],
        count => &all[turn % count..][..1],
    }
}

/// The first, second and last of `count` calls, and all.
fn numbers(count: usize) -> Vec<usize> {
    let mut numbers = vec![0, 1, 2.min(count), count];
    numbers.dedup();
    numbers
}

/// How a run was judged.
enum Verdict {
    Survived,
    Told,
    Wrong(String),
}

/// Makes all runs.
fn inject(program: &Path, plan: &[Fault<'_>], verbose: bool) -> Result<Vec<Verdict>, String> {
    let take = |fault: &Fault<'_>| {
        let when = match fault.number {
            0 => String::new(),
            number => format!(":when={number}"),
        };
        let expressions = [
            format!("trace={}", fault.call),
            format!("inject={}:error={}{when}", fault.call, fault.error),
        ];
        // What was not closed is open.
        let closes = fault.call == "close";
        let usual = &fault.station.usual;
        let visit = probe::visit(
            program,
            &fault.station.name,
            &expressions,
            (!closes).then_some(usual),
        )?;
        let left = match closes {
            true => visit.left.without_descriptors(),
            false => visit.left,
        };
        let verdict = judge(fault, &visit.told, left.more_than(usual));
        if verbose {
            println!("{fault}: {:?}", visit.told);
        }
        Ok(verdict)
    };
    in_parallel(plan, take).into_iter().collect()
}

/// What the table says to what came of it.
fn judge(fault: &Fault<'_>, told: &Result<String, String>, left_over: Option<String>) -> Verdict {
    let told = match told {
        Ok(told) => told.trim_end().replace('\n', "; "),
        Err(why) => return Verdict::Wrong(why.clone()),
    };
    let forever = fault.number == 0;
    if told.contains("panic") && !(forever && table::may_panic(&told, fault.call)) {
        return Verdict::Wrong(told);
    }
    if let Some(what) = left_over {
        return Verdict::Wrong(format!("{what} ({told})"));
    }
    let survived = told == "ok";
    let names_it =
        names(&told, fault.error) || table::is_in_other_words(&told, fault.call, fault.error);
    // What fails for ever may never be done, and what is tried again until then is cut off.
    let gave_up = forever && told.contains("the time is up");
    match (fault.expected, survived) {
        (Expected::Survived | Expected::SurvivedOrTold, true) => Verdict::Survived,
        (_, false) if gave_up => Verdict::Told,
        (Expected::Told | Expected::SurvivedOrTold, false) if names_it => Verdict::Told,
        (Expected::Survived, false) if forever && names_it => Verdict::Told,
        _ => Verdict::Wrong(told),
    }
}

/// Whether the text names the error as the standard library does: by its number.
fn names(text: &str, error: &str) -> bool {
    let number = table::number(error);
    text.contains(&format!("(os error {number})"))
}

/// Does `work` with each, several at once; the results are in the order of `all`.
fn in_parallel<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = Mutex::new(all.iter().enumerate());
    let results = Mutex::new(Vec::with_capacity(all.len()));
    let worker = || {
        loop {
            let taken = next.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((number, one)) = taken else { return };
            let result = work(one);
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            results.push((number, result));
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(worker);
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Prints a table of all calls, and what was wrong.
fn report(plan: &[Fault<'_>], results: &[Verdict]) -> Outcome {
    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (fault, verdict) in plan.iter().zip(results) {
        let column = match verdict {
            Verdict::Survived => 0,
            Verdict::Told => 1,
            Verdict::Wrong(why) => {
                wrong.push(format!("{fault}: {why}"));
                2
            }
        };
        counts.entry(fault.call).or_default()[column] += 1;
    }
    let rows = counts.iter().map(|(call, counts)| {
        let mut row = vec![(*call).to_owned()];
        row.extend(counts.iter().map(usize::to_string));
        row
    });
    println!(
        "{}",
        crate::table::render(&["call", "survived", "told", "wrong"], rows)
    );
    if wrong.is_empty() {
        return Ok(Vec::new());
    }
    for line in &wrong {
        println!("{line}");
    }
    Err(format!("{} of {} runs went wrong", wrong.len(), plan.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn station(name: &str, calls: &[(&'static str, usize)]) -> Station {
        Station {
            name: name.into(),
            usual: Left::default(),
            calls: calls.iter().copied().collect(),
        }
    }

    fn judged(expected: Expected, number: usize, told: &str) -> &'static str {
        let station = station("tcp", &[]);
        let fault = Fault {
            station: &station,
            call: "listen",
            error: "EBADF",
            expected,
            number,
        };
        match judge(&fault, &Ok(told.into()), None) {
            Verdict::Survived => "survived",
            Verdict::Told => "told",
            Verdict::Wrong(_) => "wrong",
        }
    }

    #[test]
    fn an_error_that_was_to_be_told_and_was_not_is_wrong() {
        let named = "Bad file descriptor (os error 9)\n";
        assert_eq!(judged(Expected::Told, 1, named), "told");
        assert_eq!(judged(Expected::Told, 1, "ok\n"), "wrong");
        assert_eq!(
            judged(Expected::Told, 1, "Oh dear (os error 99)\n"),
            "wrong"
        );
        assert_eq!(judged(Expected::SurvivedOrTold, 1, "ok\n"), "survived");
        assert_eq!(
            judged(Expected::SurvivedOrTold, 1, "the time is up\n"),
            "wrong"
        );
        assert_eq!(
            judged(Expected::SurvivedOrTold, 0, "the time is up\n"),
            "told"
        );
        assert_eq!(judged(Expected::Survived, 1, named), "wrong");
        assert_eq!(judged(Expected::Survived, 0, named), "told");
        assert_eq!(judged(Expected::Survived, 1, "panicked at x.rs\n"), "wrong");
    }

    #[test]
    fn a_hang_and_what_is_left_over_are_wrong_whatever_was_told() {
        let station = station("tcp", &[]);
        let fault = Fault {
            station: &station,
            call: "listen",
            error: "EBADF",
            expected: Expected::SurvivedOrTold,
            number: 1,
        };
        let hung = judge(&fault, &Err("nothing has come of it".into()), None);
        assert!(matches!(hung, Verdict::Wrong(_)));
        let leaked = judge(
            &fault,
            &Ok("ok".into()),
            Some("a thread is left over".into()),
        );
        assert!(matches!(leaked, Verdict::Wrong(_)));
    }

    #[test]
    fn a_short_plan_has_every_error_once_and_a_whole_one_every_station() {
        let stations = [
            station("one", &[("listen", 1)]),
            station("other", &[("listen", 5), ("uname", 1)]),
        ];
        let count = |all| {
            let plan = plan(&stations, all);
            let of = |name: &str| plan.iter().filter(|fault| fault.call == name).count();
            (of("listen"), of("uname"))
        };
        assert_eq!(count(false), (4, 1));
        // Every call and the first; every call, the first, the second, and the fifth.
        assert_eq!(count(true), (4 * (2 + 4), 2));
    }

    #[test]
    fn results_come_in_the_order_of_the_work() {
        let all: Vec<u32> = (0..100).collect();
        assert_eq!(in_parallel(&all, |n| n * 2)[40..43], [80, 82, 84]);
    }
}
