//! Where the mutants of a file go in its text, found with the parser that cargo-mutants takes.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::mem;
use std::ops::Range;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Arm, BinOp, Block, Expr, ExprBinary, ExprMatch, ExprUnary, ImplItemFn, ItemFn, Pat, TraitItemFn,
};

use super::list::{Genre, Mutant};
use super::tally::Fate;
use super::weave::{Edit, Others};

/// The mutants of one file.
#[derive(Default)]
pub(crate) struct Placed {
    /// In their order; of two that begin at one place the outer one is the first.
    pub(crate) edits: Vec<Edit>,
    /// What there is no place for.
    pub(crate) refused: Vec<(usize, Fate)>,
}

const LET_CHAIN: Fate = Fate::NotPlaced("part of a chain of `let`");

/// Finds the places of mutants, each with the number that it is switched on by.
///
/// # Errors
/// The text is not that of a Rust file.
pub(crate) fn place(text: &str, mutants: &[(usize, &Mutant)]) -> Result<Placed, syn::Error> {
    let file = syn::parse_file(text)?;
    let mut finder = Finder::new(text, mutants);
    finder.visit_file(&file);
    Ok(finder.placed())
}

struct Finder<'a> {
    text: &'a str,
    /// By what they change and where that begins.
    wanted: BTreeMap<(Genre, usize), Vec<(usize, &'a Mutant)>>,
    /// Those of the expressions that begin and end there. Outer ones come first.
    switches: BTreeMap<(usize, Reverse<usize>), Others>,
    /// The binary expressions around the one that is looked at, without anything between them, outer ones first.
    chain: Vec<Link>,
    placed: Placed,
}

/// A binary expression.
struct Link {
    range: Range<usize>,
    strength: u8,
    holds_let: bool,
}

impl<'a> Finder<'a> {
    fn new(text: &'a str, mutants: &[(usize, &'a Mutant)]) -> Self {
        let mut finder = Self {
            text,
            wanted: BTreeMap::new(),
            switches: BTreeMap::new(),
            chain: Vec::new(),
            placed: Placed::default(),
        };
        for (number, mutant) in mutants {
            if mutant.genre == Genre::Field {
                finder.refuse(*number, Fate::NotPlaced("a field that is left out"));
            } else if mutant.genre == Genre::Body && mutant.returns.contains("impl ") {
                finder.refuse(*number, Fate::NotPlaced("another type behind `impl`"));
            } else {
                let start = offset(text, mutant.span.start);
                let there = finder.wanted.entry((mutant.genre, start));
                there.or_default().push((*number, mutant));
            }
        }
        finder
    }

    fn placed(mut self) -> Placed {
        for (number, _) in mem::take(&mut self.wanted).into_values().flatten() {
            self.refuse(number, Fate::NotPlaced("its place was not found"));
        }
        let mut placed = self.placed;
        let switches = self.switches.into_iter();
        placed.edits.extend(
            switches.map(|((start, Reverse(end)), others)| Edit::Switch {
                range: start..end,
                others,
            }),
        );
        placed.edits.sort_by_key(Edit::order);
        placed
    }

    fn take(&mut self, genre: Genre, start: usize) -> Vec<(usize, &'a Mutant)> {
        self.wanted.remove(&(genre, start)).unwrap_or_default()
    }

    fn refuse(&mut self, number: usize, fate: Fate) {
        self.placed.refused.push((number, fate));
    }

    /// Another text for an expression, unless that is no expression.
    fn switch(&mut self, range: Range<usize>, number: usize, other: String) {
        if syn::parse_str::<Expr>(&other).is_err() {
            return self.refuse(number, Fate::DoesNotBuild);
        }
        let there = self.switches.entry((range.start, Reverse(range.end)));
        there.or_default().push((number, other));
    }

    /// Takes those that change this body, and no function inside of it: such have been taken before.
    fn body(&mut self, block: &Block) {
        let range = block.brace_token.span.join().byte_range();
        let at = block.brace_token.span.open().byte_range().end;
        let inside = (Genre::Body, range.start)..(Genre::Body, range.end);
        let starts: Vec<usize> = self.wanted.range(inside).map(|((_, at), _)| *at).collect();
        for start in starts {
            for (mutant, listed) in self.take(Genre::Body, start) {
                let value = listed.replacement.clone();
                self.placed.edits.push(Edit::Body { at, mutant, value });
            }
        }
    }

    /// Changes an operator by its text, as if nothing were known of the tree. So where the new one binds no more than
    /// the one outside does, the expression outside takes another form, and is what is replaced: with `+` for `*` in
    /// `a - b * c`, it is `a - b + c`.
    fn operator(&mut self, operator: Range<usize>, number: usize, mutant: &Mutant) {
        let new = strength(&mutant.replacement);
        let own = self.chain.len() - 1;
        let outer = self.chain[..own].iter().rev();
        let outer = outer.take_while(|link| link.strength >= new).count();
        let link = &self.chain[own - outer];
        if link.holds_let {
            return self.refuse(number, LET_CHAIN);
        }
        let range = link.range.clone();
        let before = &self.text[range.start..operator.start];
        let after = &self.text[operator.end..range.end];
        let other = format!("{before}{}{after}", mutant.replacement);
        self.switch(range, number, other);
    }

    fn operand(&mut self, operand: &Expr) {
        if let Expr::Binary(inner) = operand {
            return self.visit_expr_binary(inner);
        }
        let chain = mem::take(&mut self.chain);
        self.visit_expr(operand);
        self.chain = chain;
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, node: &'ast ItemFn) {
        visit::visit_item_fn(self, node);
        self.body(&node.block);
    }

    fn visit_impl_item_fn(&mut self, node: &'ast ImplItemFn) {
        visit::visit_impl_item_fn(self, node);
        self.body(&node.block);
    }

    fn visit_trait_item_fn(&mut self, node: &'ast TraitItemFn) {
        visit::visit_trait_item_fn(self, node);
        node.default.iter().for_each(|block| self.body(block));
    }

    fn visit_expr_binary(&mut self, node: &'ast ExprBinary) {
        let operator = range(&node.op);
        self.chain.push(Link {
            range: range(node),
            strength: strength(&self.text[operator.clone()]),
            holds_let: holds_let(&node.left) || holds_let(&node.right),
        });
        for (number, mutant) in self.take(Genre::Binary, operator.start) {
            self.operator(operator.clone(), number, mutant);
        }
        self.operand(&node.left);
        self.operand(&node.right);
        self.chain.pop();
    }

    fn visit_expr_unary(&mut self, node: &'ast ExprUnary) {
        let operator = range(&node.op);
        for (number, _) in self.take(Genre::Unary, operator.start) {
            let operand = self.text[range(&node.expr)].to_owned();
            self.switch(range(node), number, operand);
        }
        visit::visit_expr_unary(self, node);
    }

    /// Only an arm that takes the rest, whatever it is, makes up for one that is gone.
    fn visit_expr_match(&mut self, node: &'ast ExprMatch) {
        let takes_all = |arm: &Arm| arm.guard.is_none() && matches!(arm.pat, Pat::Wild(_));
        if !node.arms.iter().any(takes_all) {
            for arm in &node.arms {
                for (number, _) in self.take(Genre::Arm, range(arm).start) {
                    self.refuse(number, Fate::DoesNotBuild);
                }
            }
        }
        visit::visit_expr_match(self, node);
    }

    fn visit_arm(&mut self, node: &'ast Arm) {
        let guard = node.guard.as_ref().map(|(_, guard)| guard);
        let arm = self.take(Genre::Arm, range(node).start);
        let arm = arm.into_iter().map(|(number, _)| (number, "false"));
        match guard {
            None => {
                let at = range(&node.pat).end;
                let edits = arm.map(|(mutant, _)| Edit::Arm { at, mutant });
                self.placed.edits.extend(edits);
            }
            Some(guard) => {
                let place = range(guard);
                let own = self.take(Genre::Guard, place.start);
                let own = own
                    .iter()
                    .map(|(number, mutant)| (*number, &*mutant.replacement));
                for (number, other) in arm.chain(own) {
                    match holds_let(guard) {
                        true => self.refuse(number, LET_CHAIN),
                        false => self.switch(place.clone(), number, other.into()),
                    }
                }
            }
        }
        visit::visit_arm(self, node);
    }
}

/// The bytes of the text that a part of the tree is made of.
fn range(node: &impl Spanned) -> Range<usize> {
    node.span().byte_range()
}

/// Whether `let` stands in a chain of `&&`, where no parentheses may be.
fn holds_let(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(ExprBinary {
            left,
            op: BinOp::And(_),
            right,
            ..
        }) => holds_let(left) || holds_let(right),
        _ => false,
    }
}

/// How much a binary operator binds.
fn strength(operator: &str) -> u8 {
    match operator {
        "*" | "/" | "%" => 9,
        "+" | "-" => 8,
        "<<" | ">>" => 7,
        "&" => 6,
        "^" => 5,
        "|" => 4,
        "==" | "!=" | "<" | ">" | "<=" | ">=" => 3,
        "&&" => 2,
        "||" => 1,
        // Assignments.
        _ => 0,
    }
}

/// The byte at which a line and a character of it begin, both counted from 1.
fn offset(text: &str, (line, column): (usize, usize)) -> usize {
    let before: usize = text
        .split_inclusive('\n')
        .take(line - 1)
        .map(str::len)
        .sum();
    let in_line = text[before..].chars().take(column - 1);
    before + in_line.map(char::len_utf8).sum::<usize>()
}
