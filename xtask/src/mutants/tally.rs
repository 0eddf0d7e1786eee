//! What became of the mutants of one crate.

use super::list::Mutant;

/// So many of a hundred mutants have to be noticed.
pub(crate) const ENOUGH: usize = 90;

/// Above the rows.
pub(crate) const HEAD: [&str; 10] = [
    "crate",
    "mutants",
    "tried",
    "do not build",
    "not placed",
    "caught",
    "out of time",
    "missed",
    "unreached",
    "noticed",
];

/// The mutants that are tried, and what is known of each.
pub(crate) struct Tally {
    /// Of how many they are a sample.
    all: usize,
    pub(crate) mutants: Vec<Mutant>,
    fates: Vec<Fate>,
}

/// What became of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// No test comes to it, so far.
    Unreached,
    /// Tests come to it, and none has failed, so far.
    Missed,
    Caught,
    /// Noticed, by a test that did not end.
    OutOfTime,
    DoesNotBuild,
    /// It cannot be switched on in a program that runs, for this reason.
    NotPlaced(&'static str),
}

impl Tally {
    /// Nothing was tried yet.
    pub(crate) fn of(all: usize, mutants: Vec<Mutant>) -> Self {
        let fates = vec![Fate::Unreached; mutants.len()];
        Self {
            all,
            mutants,
            fates,
        }
    }

    pub(crate) fn settle(&mut self, place: usize, fate: Fate) {
        self.fates[place] = fate;
    }

    /// What has become of each so far.
    pub(crate) fn fates(&self) -> impl Iterator<Item = (&Mutant, Fate)> {
        self.mutants.iter().zip(self.fates.iter().copied())
    }

    /// Whether tests can meet it: it builds, and has a place.
    pub(crate) fn is_tried(&self, place: usize) -> bool {
        !matches!(self.fates[place], Fate::DoesNotBuild | Fate::NotPlaced(_))
    }

    /// Those that nothing has noticed so far.
    pub(crate) fn left(&self) -> Vec<usize> {
        let places = 0..self.mutants.len();
        let is_left = |place: &usize| matches!(self.fates[*place], Fate::Unreached | Fate::Missed);
        places.filter(is_left).collect()
    }

    fn count(&self, is: impl Fn(&Fate) -> bool) -> usize {
        self.fates.iter().filter(|fate| is(fate)).count()
    }

    /// How many were noticed, and of how many.
    fn noticed(&self) -> (usize, usize) {
        let noticed = self.count(|fate| matches!(fate, Fate::Caught | Fate::OutOfTime));
        (noticed, noticed + self.left().len())
    }

    pub(crate) fn is_enough(&self) -> bool {
        let (noticed, of) = self.noticed();
        noticed * 100 >= of * ENOUGH
    }

    /// The names of those that somebody should look at.
    pub(crate) fn print(&self) {
        let told = self.fates();
        let mut told: Vec<String> = told
            .filter_map(|(mutant, fate)| told_of(&mutant.name, fate))
            .collect();
        told.sort();
        told.iter().for_each(|line| println!("{line}"));
    }

    pub(crate) fn row(&self, name: &str) -> Vec<String> {
        let (noticed, of) = self.noticed();
        let noticed = 100.0 * noticed as f64 / of.max(1) as f64;
        let figures = [
            self.all,
            self.mutants.len(),
            self.count(|fate| *fate == Fate::DoesNotBuild),
            self.count(|fate| matches!(fate, Fate::NotPlaced(_))),
            self.count(|fate| *fate == Fate::Caught),
            self.count(|fate| *fate == Fate::OutOfTime),
            self.count(|fate| *fate == Fate::Missed),
            self.count(|fate| *fate == Fate::Unreached),
        ];
        let mut row = vec![name.to_owned()];
        row.extend(figures.iter().map(usize::to_string));
        row.push(format!("{noticed:.1} %"));
        row
    }
}

fn told_of(name: &str, fate: Fate) -> Option<String> {
    Some(match fate {
        Fate::Caught | Fate::DoesNotBuild => return None,
        Fate::Unreached => format!("unreached: {name}"),
        Fate::Missed => format!("missed: {name}"),
        Fate::OutOfTime => format!("out of time: {name}"),
        Fate::NotPlaced(why) => format!("not placed ({why}): {name}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first `noticed` of a hundred are caught or run out of time, in turn.
    fn with(noticed: usize) -> Tally {
        let mut tally = Tally::of(300, vec![Mutant::default(); 100]);
        for (place, fate) in (0..noticed).zip([Fate::Caught, Fate::OutOfTime].into_iter().cycle()) {
            tally.settle(place, fate);
        }
        tally
    }

    #[test]
    fn nine_of_ten_are_enough() {
        assert!(with(90).is_enough());
        assert!(!with(89).is_enough());
        assert!(Tally::of(0, Vec::new()).is_enough());
    }

    #[test]
    fn each_has_its_column() {
        let mut tally = with(3);
        tally.settle(3, Fate::Missed);
        tally.settle(4, Fate::DoesNotBuild);
        tally.settle(5, Fate::NotPlaced("why"));
        tally.settle(6, Fate::NotPlaced("why"));
        let row = tally.row("c");
        assert_eq!(row.len(), HEAD.len());
        assert_eq!(row.join(" "), "c 300 100 1 2 2 1 1 93 3.1 %",);
        assert_eq!(tally.left().len(), 94);
    }

    #[test]
    fn what_cannot_be_tried_does_not_count() {
        let mut tally = with(89);
        tally.settle(99, Fate::DoesNotBuild);
        assert!(!tally.is_enough(), "89 of 99");
        tally.settle(98, Fate::NotPlaced("why"));
        assert!(tally.is_enough(), "89 of 98");
        assert!(!tally.is_tried(99) && !tally.is_tried(98) && tally.is_tried(97));
    }

    #[test]
    fn those_to_look_at_are_told() {
        assert_eq!(told_of("m", Fate::Missed).unwrap(), "missed: m");
        assert_eq!(told_of("m", Fate::Unreached).unwrap(), "unreached: m");
        assert_eq!(
            told_of("m", Fate::NotPlaced("why")).unwrap(),
            "not placed (why): m"
        );
        assert_eq!(told_of("m", Fate::Caught), None);
    }
}
