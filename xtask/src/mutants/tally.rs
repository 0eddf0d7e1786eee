//! What became of the mutants of one crate.

/// So many of a hundred mutants have to be noticed.
pub(crate) const ENOUGH: usize = 90;

/// Above the rows.
pub(crate) const HEAD: [&str; 7] = [
    "crate",
    "mutants",
    "tried",
    "caught",
    "out of time",
    "do not build",
    "missed",
];

/// The mutants of a crate, sorted by what became of them, pass after pass.
pub(crate) struct Tally {
    /// Of how many `tried` is a sample.
    all: usize,
    tried: usize,
    caught: usize,
    /// Noticed, by tests that did not end.
    out_of_time: Vec<String>,
    /// These do not count.
    do_not_build: usize,
    /// Noticed by no test so far.
    missed: Vec<String>,
}

/// How the tool ended with a mutant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Caught,
    OutOfTime,
    DoesNotBuild,
}

impl Tally {
    /// Nothing was tried yet of `mutants`.
    pub(crate) fn of(all: usize, mutants: Vec<String>) -> Self {
        Self {
            all,
            tried: mutants.len(),
            caught: 0,
            out_of_time: Vec::new(),
            do_not_build: 0,
            missed: mutants,
        }
    }

    /// Those that the next pass is about.
    pub(crate) fn missed(&self) -> &[String] {
        &self.missed
    }

    /// Counts a mutant that was missed so far.
    ///
    /// # Errors
    /// It was not.
    pub(crate) fn settle(&mut self, mutant: &str, fate: Fate) -> Result<(), String> {
        let place = self.missed.iter().position(|missed| missed == mutant);
        let place = place.ok_or_else(|| format!("nobody asked for the mutant {mutant}"))?;
        let mutant = self.missed.remove(place);
        match fate {
            Fate::Caught => self.caught += 1,
            Fate::OutOfTime => self.out_of_time.push(mutant),
            Fate::DoesNotBuild => self.do_not_build += 1,
        }
        Ok(())
    }

    pub(crate) fn is_enough(&self) -> bool {
        let noticed = self.caught + self.out_of_time.len();
        noticed * 100 >= (noticed + self.missed.len()) * ENOUGH
    }

    /// The names of those that somebody should look at.
    pub(crate) fn print(&self) {
        for mutant in &self.out_of_time {
            println!("out of time: {mutant}");
        }
        for mutant in &self.missed {
            println!("missed: {mutant}");
        }
    }

    pub(crate) fn row(&self, name: &str) -> Vec<String> {
        let figures = [
            self.all,
            self.tried,
            self.caught,
            self.out_of_time.len(),
            self.do_not_build,
            self.missed.len(),
        ];
        let mut row = vec![name.to_owned()];
        row.extend(figures.iter().map(usize::to_string));
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first `noticed` of a hundred are caught or run out of time, in turn.
    fn with(noticed: usize) -> Tally {
        let names = |count| (0..count).map(|n: usize| n.to_string());
        let mut tally = Tally::of(300, names(100).collect());
        for (name, fate) in names(noticed).zip([Fate::Caught, Fate::OutOfTime].into_iter().cycle())
        {
            tally.settle(&name, fate).unwrap();
        }
        tally
    }

    #[test]
    fn nine_of_ten_are_enough() {
        assert!(with(90).is_enough());
        assert!(!with(89).is_enough());
        assert_eq!(with(3).row("c"), ["c", "300", "100", "2", "1", "0", "97"]);
    }

    #[test]
    fn what_does_not_build_does_not_count() {
        let mut tally = with(89);
        tally.settle("99", Fate::DoesNotBuild).unwrap();
        assert!(!tally.is_enough(), "89 of 99");
        tally.settle("98", Fate::DoesNotBuild).unwrap();
        assert!(tally.is_enough(), "89 of 98");
    }

    #[test]
    fn a_mutant_is_settled_once() {
        let mut tally = with(1);
        assert!(tally.settle("0", Fate::Caught).is_err());
        assert_eq!(tally.missed().len(), 99);
    }
}
