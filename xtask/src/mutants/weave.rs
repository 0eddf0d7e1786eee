//! The text of a file with all of its mutants, each behind a switch.

use std::cmp::Reverse;
use std::iter::Peekable;
use std::ops::Range;

/// Something that is put into the text of a file.
pub(crate) enum Edit {
    /// The function that begins here returns a value of this text.
    Body {
        at: usize,
        mutant: usize,
        value: String,
    },
    /// The arm whose pattern ends here matches nothing.
    Arm { at: usize, mutant: usize },
    /// In place of the expression that is here, another one for each of these mutants.
    Switch { range: Range<usize>, others: Others },
}

/// Numbers of mutants, and the text that each puts in the place of an expression.
pub(crate) type Others = Vec<(usize, String)>;

/// The text, and which mutants are where in it.
#[derive(Default)]
pub(crate) struct Woven {
    pub(crate) text: String,
    regions: Vec<Region>,
}

struct Region {
    bytes: Range<usize>,
    mutants: Vec<usize>,
    /// Whether it is the text of one mutant, and not a switch as a whole.
    is_own: bool,
}

/// Whom an error of the compiler is about.
#[derive(Debug, PartialEq)]
pub(crate) enum Blamed<'a> {
    /// The text of this mutant.
    Own(usize),
    /// The switch that these share, or something that follows from it.
    Switch(&'a [usize]),
}

/// Puts those mutants into `text` that are `chosen`.
pub(crate) fn weave(text: &str, edits: &[Edit], chosen: impl Fn(usize) -> bool) -> Woven {
    let mut weaver = Weaver {
        source: text,
        woven: Woven::default(),
        edits: edits.iter().peekable(),
        chosen,
    };
    weaver.copy(0..text.len());
    weaver.woven
}

impl Woven {
    /// The smallest region that these bytes of the text are in.
    pub(crate) fn blamed(&self, bytes: &Range<usize>) -> Option<Blamed<'_>> {
        let around =
            |region: &&Region| region.bytes.start <= bytes.start && bytes.end <= region.bytes.end;
        let regions = self.regions.iter().filter(around);
        let region = regions.min_by_key(|region| region.bytes.len())?;
        Some(match region.is_own {
            true => Blamed::Own(region.mutants[0]),
            false => Blamed::Switch(&region.mutants),
        })
    }
}

struct Weaver<'a, C> {
    source: &'a str,
    woven: Woven,
    edits: Peekable<std::slice::Iter<'a, Edit>>,
    chosen: C,
}

impl<C: Fn(usize) -> bool> Weaver<'_, C> {
    /// Copies a part of the source with all edits that begin in it.
    fn copy(&mut self, part: Range<usize>) {
        let mut at = part.start;
        while let Some(edit) = self.edits.next_if(|edit| edit.range().start < part.end) {
            self.woven.text += &self.source[at..edit.range().start];
            at = edit.range().end;
            let start = self.woven.text.len();
            let mutants = self.edit(edit);
            self.region(start, mutants, false);
        }
        self.woven.text += &self.source[at..part.end];
    }

    /// Writes an edit, and says whose it is.
    fn edit(&mut self, edit: &Edit) -> Vec<usize> {
        match edit {
            Edit::Body { mutant, value, .. } if (self.chosen)(*mutant) => {
                self.woven.text += &format!(" if {} {{ return ", asked(*mutant));
                self.own(*mutant, value);
                self.woven.text += "; }";
                vec![*mutant]
            }
            Edit::Arm { mutant, .. } if (self.chosen)(*mutant) => {
                self.woven.text += &format!(" if !{}", asked(*mutant));
                vec![*mutant]
            }
            Edit::Body { .. } | Edit::Arm { .. } => Vec::new(),
            Edit::Switch { range, others } => {
                let others = others.iter().filter(|(mutant, _)| (self.chosen)(*mutant));
                let others: Vec<_> = others.collect();
                self.switch(range.clone(), &others);
                others.iter().map(|(mutant, _)| *mutant).collect()
            }
        }
    }

    /// The text as it is comes first, so that it is the one that the types of the others are compared with. Parentheses keep
    /// what begins with a block from being a statement.
    fn switch(&mut self, range: Range<usize>, others: &[&(usize, String)]) {
        let Some((last, first)) = others.split_last() else {
            return self.copy(range);
        };
        let none: Vec<_> = others
            .iter()
            .map(|(mutant, _)| format!("!{}", asked(*mutant)))
            .collect();
        self.woven.text += &format!("(if {} {{ (", none.join(" && "));
        self.copy(range);
        for (mutant, other) in first {
            self.woven.text += &format!(") }} else if {} {{ (", asked(*mutant));
            self.own(*mutant, other);
        }
        self.woven.text += ") } else { (";
        self.own(last.0, &last.1);
        self.woven.text += ") })";
    }

    fn own(&mut self, mutant: usize, text: &str) {
        let start = self.woven.text.len();
        self.woven.text += text;
        self.region(start, vec![mutant], true);
    }

    /// Notes whose text has been written from `start` on.
    fn region(&mut self, start: usize, mutants: Vec<usize>, is_own: bool) {
        if !mutants.is_empty() {
            let bytes = start..self.woven.text.len();
            self.woven.regions.push(Region {
                bytes,
                mutants,
                is_own,
            });
        }
    }
}

impl Edit {
    /// Where it begins, what is put there before what surrounds it, and what surrounds before what is inside.
    pub(crate) fn order(&self) -> (usize, Reverse<usize>) {
        match self {
            Self::Body { at, .. } | Self::Arm { at, .. } => (*at, Reverse(usize::MAX)),
            Self::Switch { range, .. } => (range.start, Reverse(range.end)),
        }
    }

    /// The bytes of the source that it stands for.
    fn range(&self) -> Range<usize> {
        match self {
            Self::Body { at, .. } | Self::Arm { at, .. } => *at..*at,
            Self::Switch { range, .. } => range.clone(),
        }
    }
}

/// The condition that a mutant is switched on.
fn asked(mutant: usize) -> String {
    format!("crate::mutant_is({mutant})")
}
