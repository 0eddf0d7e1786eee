//! What becomes of a text: mutants in, switches out.

use std::ops::Range;

use super::list::{Genre, Mutant};
use super::place::{self, Placed};
use super::tally::Fate;
use super::weave::{self, Blamed, Woven};

/// A mutant of the text between the two bars in `text`, and the text without the bars.
fn marked(text: &str, genre: Genre, replacement: &str) -> (String, Mutant) {
    let parts: Vec<&str> = text.split('¦').collect();
    let [before, changed, after] = parts[..] else {
        panic!("two bars: {text}")
    };
    let text = format!("{before}{changed}{after}");
    let changed = before.len()..before.len() + changed.len();
    let mutant = mutant(&text, changed, genre, replacement);
    (text, mutant)
}

/// A mutant of these bytes of a text.
pub(super) fn mutant(text: &str, bytes: Range<usize>, genre: Genre, replacement: &str) -> Mutant {
    let end = |text: &str| {
        let last = text.rsplit('\n').next().unwrap();
        (text.matches('\n').count() + 1, last.chars().count() + 1)
    };
    Mutant {
        genre,
        span: end(&text[..bytes.start])..end(&text[..bytes.end]),
        replacement: replacement.into(),
        ..Mutant::default()
    }
}

fn placed(text: &str, mutants: &[Mutant]) -> Placed {
    let numbered: Vec<_> = (1..).zip(mutants).collect();
    place::place(text, &numbered).unwrap()
}

/// All mutants in one text, with a shorter name for the function that is asked.
fn woven(text: &str, mutants: &[Mutant]) -> String {
    let placed = placed(text, mutants);
    assert_eq!(placed.refused, []);
    let woven = weave::weave(text, &placed.edits, |_| true).text;
    syn::parse_file(&woven).expect(&woven);
    woven.replace("crate::mutant_is", "is")
}

/// What one mutant makes of the body of a function.
fn body(text: &str, genre: Genre, replacement: &str) -> String {
    let (text, mutant) = marked(&format!("fn f() {{ {text} }}"), genre, replacement);
    let woven = woven(&text, &[mutant]);
    let body = woven.strip_prefix("fn f() { ").unwrap();
    body.strip_suffix(" }").unwrap().into()
}

fn refused(text: &str, genre: Genre, replacement: &str) -> Option<Fate> {
    let (text, mutant) = marked(text, genre, replacement);
    let placed = placed(&text, &[mutant]);
    let fate = placed.refused.first().map(|(number, fate)| {
        assert_eq!(*number, 1);
        *fate
    });
    assert_eq!(placed.edits.is_empty(), fate.is_some());
    fate
}

#[test]
fn a_function_returns_before_it_begins() {
    let (text, mutant) = marked("fn f() -> u8 { ¦g();\n7¦ }", Genre::Body, "0");
    assert_eq!(
        woven(&text, &[mutant]),
        "fn f() -> u8 { if is(1) { return 0; } g();\n7 }"
    );
}

#[test]
fn a_function_inside_of_another_one_is_not_that_one() {
    let text = "fn f() { fn g() { a() } g() }";
    let (_, outer) = marked("fn f() { ¦fn g() { a() } g()¦ }", Genre::Body, "()");
    let (_, inner) = marked("fn f() { fn g() { ¦a()¦ } g() }", Genre::Body, "()");
    assert_eq!(
        woven(text, &[outer, inner]),
        "fn f() { if is(1) { return (); } fn g() { if is(2) { return (); } a() } g() }"
    );
}

#[test]
fn methods_and_those_of_traits_have_bodies_too() {
    for head in ["impl A", "trait A"] {
        let text = format!("{head} {{ fn f(&self) {{ ¦a()¦ }} }}");
        assert_eq!(refused(&text, Genre::Body, "()"), None);
    }
}

#[test]
fn an_operator_has_several_others() {
    let text = "fn f() { a < b; }";
    let (_, one) = marked("fn f() { a ¦<¦ b; }", Genre::Binary, "==");
    let (_, other) = marked("fn f() { a ¦<¦ b; }", Genre::Binary, ">");
    assert_eq!(
        woven(text, &[one, other]),
        "fn f() { (if !is(1) && !is(2) { (a < b) } else if is(1) { (a == b) } else { (a > b) }); }"
    );
}

#[test]
fn an_operator_may_be_an_assignment() {
    assert_eq!(
        body("*a ¦+=¦ b;", Genre::Binary, "-="),
        "(if !is(1) { (*a += b) } else { (*a -= b) });"
    );
}

#[test]
fn operators_lie_in_each_other() {
    let text = "fn f() { a + b(!c) * d }";
    let (_, outer) = marked("fn f() { a ¦+¦ b(!c) * d }", Genre::Binary, "-");
    let (_, inner) = marked("fn f() { a + b(¦!¦c) * d }", Genre::Unary, "");
    let (_, beside) = marked("fn f() { a + b(!c) ¦*¦ d }", Genre::Binary, "/");
    assert_eq!(
        woven(text, &[outer, inner, beside]),
        "fn f() { (if !is(1) { (a + (if !is(3) { (b((if !is(2) { (!c) } else { (c) })) * d) } \
         else { (b(!c) / d) })) } else { (a - b(!c) * d) }) }"
    );
}

#[test]
fn of_two_that_begin_at_one_place_the_longer_one_is_outside() {
    let text = "fn f() { !a && b }";
    let (_, inner) = marked("fn f() { ¦!¦a && b }", Genre::Unary, "");
    let (_, outer) = marked("fn f() { !a ¦&&¦ b }", Genre::Binary, "||");
    assert_eq!(
        woven(text, &[inner, outer]),
        "fn f() { (if !is(2) { ((if !is(1) { (!a) } else { (a) }) && b) } else { (!a || b) }) }"
    );
}

#[test]
fn an_operator_that_binds_more_takes_its_neighbour() {
    assert_eq!(
        body("a ¦+¦ b * c", Genre::Binary, "*"),
        "(if !is(1) { (a + b * c) } else { (a * b * c) })"
    );
}

#[test]
fn an_operator_that_binds_less_loses_its_operand_to_the_one_outside() {
    assert_eq!(
        body("x == a - b ¦*¦ c", Genre::Binary, "+"),
        "x == (if !is(1) { (a - b * c) } else { (a - b + c) })"
    );
    assert_eq!(
        body("a - (b ¦*¦ c)", Genre::Binary, "+"),
        "a - ((if !is(1) { (b * c) } else { (b + c) }))"
    );
    assert_eq!(
        body("a && b ¦&&¦ c && d", Genre::Binary, "||"),
        "(if !is(1) { (a && b && c && d) } else { (a && b || c && d) })"
    );
}

#[test]
fn a_sign_is_taken_away() {
    assert_eq!(
        body("g(¦-¦a.b())", Genre::Unary, ""),
        "g((if !is(1) { (-a.b()) } else { (a.b()) }))"
    );
    assert_eq!(
        body("¦!¦a == b", Genre::Unary, ""),
        "(if !is(1) { (!a) } else { (a) }) == b"
    );
}

#[test]
fn what_begins_with_a_block_is_no_statement() {
    assert_eq!(
        body("let a = unsafe { g() } ¦&¦ b;", Genre::Binary, "|"),
        "let a = (if !is(1) { (unsafe { g() } & b) } else { (unsafe { g() } | b) });"
    );
}

#[test]
fn an_arm_matches_nothing() {
    assert_eq!(
        body("match a { ¦1 | 2 => b,¦ _ => c }", Genre::Arm, ""),
        "match a { 1 | 2 if !is(1) => b, _ => c }"
    );
}

#[test]
fn a_guard_is_always_true_or_its_arm_is_deleted() {
    let text = "fn f() { match a { b if c && d => e, _ => g } }";
    let guard = |replacement| {
        let marks = "fn f() { match a { b if ¦c && d¦ => e, _ => g } }";
        marked(marks, Genre::Guard, replacement).1
    };
    let (_, arm) = marked(
        "fn f() { match a { ¦b if c && d => e,¦ _ => g } }",
        Genre::Arm,
        "",
    );
    let (_, operator) = marked(
        "fn f() { match a { b if c ¦&&¦ d => e, _ => g } }",
        Genre::Binary,
        "||",
    );
    assert_eq!(
        woven(text, &[guard("true"), arm, operator]),
        "fn f() { match a { b if (if !is(2) && !is(1) && !is(3) { (c && d) } else if is(2) { (false) } \
         else if is(1) { (true) } else { (c || d) }) => e, _ => g } }"
    );
}

#[test]
fn columns_are_counted_in_characters() {
    let text = "fn f() {\n\"äöü→😀\"; é; a ¦+¦ b // ß\n}";
    let (text, mutant) = marked(text, Genre::Binary, "-");
    assert_eq!(mutant.span.start, (2, 15));
    assert_eq!(
        woven(&text, &[mutant]),
        "fn f() {\n\"äöü→😀\"; é; (if !is(1) { (a + b) } else { (a - b) }) // ß\n}"
    );
}

#[test]
fn what_cannot_be_placed_is_refused_by_name() {
    let why = |text, genre, replacement| match refused(text, genre, replacement) {
        Some(Fate::NotPlaced(why)) => why,
        other => panic!("{text}: {other:?}"),
    };
    let chain = "part of a chain of `let`";
    let text = "fn f() { if let a = b ¦&&¦ c {} }";
    assert_eq!(why(text, Genre::Binary, "||"), chain);
    let text = "fn f() { if a ¦&&¦ b && let c = d {} }";
    assert_eq!(why(text, Genre::Binary, "||"), chain);
    let text = "fn f() { match a { b if ¦c && let d = e¦ => {}, _ => {} } }";
    assert_eq!(why(text, Genre::Guard, "true"), chain);
    let text = "fn f() { g!(a ¦+¦ b) }";
    assert_eq!(why(text, Genre::Binary, "-"), "its place was not found");
    let text = "fn f() { A { ¦a: 1,¦ ..b } }";
    assert_eq!(why(text, Genre::Field, ""), "a field that is left out");
    let (text, mut mutant) = marked("fn f() -> impl A { ¦a¦ }", Genre::Body, "b");
    mutant.returns = "-> impl A".into();
    let fate = Fate::NotPlaced("another type behind `impl`");
    assert_eq!(placed(&text, &[mutant]).refused, [(1, fate)]);
}

#[test]
fn an_operator_beside_a_chain_of_let_has_a_place() {
    let (text, mutant) = marked(
        "fn f() { if let a = b && c ¦==¦ d {} }",
        Genre::Binary,
        "!=",
    );
    assert_eq!(
        woven(&text, &[mutant]),
        "fn f() { if let a = b && (if !is(1) { (c == d) } else { (c != d) }) {} }"
    );
}

#[test]
fn what_is_no_expression_does_not_build() {
    let text = "fn f() { a as u8 ¦>¦ b }";
    assert_eq!(refused(text, Genre::Binary, "<"), Some(Fate::DoesNotBuild));
    assert_eq!(refused(text, Genre::Binary, ">="), None);
    let text = "fn f() { match a { ¦A => b,¦ B => c, _ if d => e } }";
    assert_eq!(refused(text, Genre::Arm, ""), Some(Fate::DoesNotBuild));
}

/// A function and an operator in it that is changed in two ways.
fn three() -> (String, Woven) {
    let text = "fn f() { ¦a() + b¦ }";
    let (plain, all) = marked(text, Genre::Body, "zero()");
    let (_, minus) = marked("fn f() { a() ¦+¦ b }", Genre::Binary, "-");
    let (_, times) = marked("fn f() { a() ¦+¦ b }", Genre::Binary, "*");
    let placed = placed(&plain, &[all, minus, times]);
    let woven = weave::weave(&plain, &placed.edits, |_| true);
    (woven.text.clone(), woven)
}

#[test]
fn an_error_is_that_of_the_smallest_part_around_it() {
    let (text, woven) = three();
    let at = |part: &str| -> Range<usize> {
        let start = text.find(part).unwrap();
        start..start + part.len()
    };
    assert_eq!(woven.blamed(&at("zero")), Some(Blamed::Own(1)));
    assert_eq!(woven.blamed(&at("return")), Some(Blamed::Switch(&[1])));
    assert_eq!(
        woven.blamed(&at("mutant_is(1)")),
        Some(Blamed::Switch(&[1]))
    );
    assert_eq!(woven.blamed(&at("a() - b")), Some(Blamed::Own(2)));
    assert_eq!(woven.blamed(&at("a() * b")), Some(Blamed::Own(3)));
    assert_eq!(woven.blamed(&at("a() + b")), Some(Blamed::Switch(&[2, 3])));
    assert_eq!(woven.blamed(&at("fn f")), None);
}

#[test]
fn who_is_not_chosen_is_not_in_the_text() {
    let text = "fn f() { a + b }";
    let (_, one) = marked("fn f() { a ¦+¦ b }", Genre::Binary, "-");
    let (_, body) = marked("fn f() { ¦a + b¦ }", Genre::Body, "()");
    let placed = placed(text, &[one, body]);
    assert_eq!(weave::weave(text, &placed.edits, |_| false).text, text);
    let first = weave::weave(text, &placed.edits, |number| number == 1);
    assert!(!first.text.contains("return") && first.text.contains("a - b"));
}
