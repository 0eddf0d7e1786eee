//! The parts of a function, as far as the attributes tell them apart.
//!
//! ```text
//! #[doc = ".."] #[ignore] pub(crate) async fn name ( ) -> io::Result<()> { .. }
//! └── attributes ───────┘ └visibility┘ └─┬─┘     └──── rest ───────────┘ └body┘
//!                                   qualifiers
//! ```
//! Only the beginning is looked at. What stands between the name and the body is the compiler's.

use proc_macro::{Delimiter, TokenStream, TokenTree};

use crate::{
    options::Purpose,
    refusal::Refusal,
    tokens::{code, is_sign, is_word},
};

/// What may stand between the visibility and `fn`.
const QUALIFIERS: [&str; 5] = ["const", "async", "unsafe", "safe", "extern"];

pub(crate) struct Function {
    /// Each `#` and its bracket.
    attributes: Vec<TokenTree>,
    visibility: Vec<TokenTree>,
    /// Up to and without `fn`.
    qualifiers: Vec<TokenTree>,
    /// `fn`
    keyword: TokenTree,
    name: TokenTree,
    /// Generics, arguments, what is returned, conditions.
    rest: Vec<TokenTree>,
    body: TokenTree,
}

impl Function {
    /// `None` if this is no function with a body.
    pub(crate) fn split(item: TokenStream) -> Option<Self> {
        let mut tokens: Vec<TokenTree> = item.into_iter().collect();
        let body = tokens.pop().filter(is_body)?;
        let attributes_end = 2 * tokens.chunks(2).take_while(|two| is_attribute(two)).count();
        let at = tokens.iter().position(|token| is_word(token, "fn"))?;
        let mut rest = tokens.split_off(at.max(attributes_end)).into_iter();
        let keyword = rest.next()?;
        let name = rest.next()?;
        let after_attributes = tokens.split_off(attributes_end);
        let is_qualifier = |token: &TokenTree| QUALIFIERS.iter().any(|word| is_word(token, word));
        let first = after_attributes.iter().position(is_qualifier);
        let (visibility, qualifiers) =
            after_attributes.split_at(first.unwrap_or(after_attributes.len()));
        Some(Self {
            attributes: tokens,
            visibility: visibility.to_vec(),
            qualifiers: qualifiers.to_vec(),
            keyword,
            name,
            rest: rest.collect(),
            body,
        })
    }

    /// Why this function cannot have the attribute, if it cannot.
    pub(crate) fn refuse(&self, purpose: Purpose) -> Option<Refusal> {
        let (attribute, pattern) = (purpose.attribute(), purpose.pattern());
        let mut others = self.qualifiers.iter();
        if !others.any(|token| is_word(token, "async")) {
            let text = format!("{attribute} runs an async function: write `{pattern}`");
            return Some(Refusal::of([self.keyword.clone()], text));
        }
        let other = |token: &&TokenTree| !is_word(token, "async");
        if let Some(other) = self.qualifiers.iter().find(other) {
            let text = format!("{attribute} runs a plain async function, without `{other}`");
            return Some(Refusal::of([other.clone()], text));
        }
        if self.rest.first().is_some_and(|token| is_sign(token, '<')) {
            let text = format!("{attribute} cannot choose parameters: write `{pattern}`");
            return Some(Refusal::of([self.rest[0].clone()], text));
        }
        if let Some(TokenTree::Group(arguments)) = self.rest.first()
            && !arguments.stream().is_empty()
        {
            let text = format!(
                "nobody passes arguments to a function with {attribute}: write `{pattern}`"
            );
            return Some(Refusal::of([self.rest[0].clone()], text));
        }
        self.refuse_second_test(purpose)
    }

    fn refuse_second_test(&self, purpose: Purpose) -> Option<Refusal> {
        let mut attributes = self.attributes.chunks(2);
        let second = attributes.find(|two| purpose == Purpose::Test && is_test(&two[1]))?;
        let text = format!(
            "the test would run twice: {} takes the place of `#[test]`",
            purpose.attribute()
        );
        Some(Refusal::of(second.to_vec(), text))
    }

    /// `name()`
    pub(crate) fn call(&self) -> TokenStream {
        let mut call = TokenStream::from(self.name.clone());
        call.extend(code("()"));
        call
    }

    /// The function as it was written, async. A `lenient` one may have what was refused, and
    /// nobody need call it.
    pub(crate) fn inside(&self, lenient: bool) -> TokenStream {
        let mut out = TokenStream::new();
        let is_async = self.qualifiers.iter().any(|token| is_word(token, "async"));
        if lenient {
            out.extend(code("#[allow(dead_code)]"));
        }
        if lenient && !is_async {
            out.extend(code("async"));
        } else {
            out.extend(self.qualifiers.iter().cloned());
        }
        out.extend([self.keyword.clone(), self.name.clone()]);
        out.extend(self.rest.iter().cloned());
        out.extend([self.body.clone()]);
        out
    }

    /// The head of a function that is not async. A `lenient` one has no arguments and returns
    /// nothing, whatever was written.
    pub(crate) fn outside(&self, lenient: bool) -> TokenStream {
        let mut out = TokenStream::new();
        if lenient {
            out.extend(code("#[allow(dead_code)]"));
        } else {
            out.extend(self.attributes.iter().cloned());
        }
        out.extend(self.visibility.iter().cloned());
        out.extend([self.keyword.clone(), self.name.clone()]);
        if lenient {
            out.extend(code("()"));
        } else {
            out.extend(self.rest.iter().cloned());
        }
        out
    }
}

/// A block, or one that a macro by example was given.
fn is_body(token: &TokenTree) -> bool {
    let TokenTree::Group(group) = token else {
        return false;
    };
    match group.delimiter() {
        Delimiter::Brace => true,
        Delimiter::None => group
            .stream()
            .into_iter()
            .last()
            .is_some_and(|last| is_body(&last)),
        Delimiter::Parenthesis | Delimiter::Bracket => false,
    }
}

fn is_attribute(two: &[TokenTree]) -> bool {
    matches!(two, [sign, TokenTree::Group(group)]
        if is_sign(sign, '#') && group.delimiter() == Delimiter::Bracket)
}

/// Whether this is the bracket of `#[test]`, by whatever path, or of another attribute that ends so.
fn is_test(bracket: &TokenTree) -> bool {
    let TokenTree::Group(group) = bracket else {
        return false;
    };
    let path = group
        .stream()
        .into_iter()
        .take_while(|token| !matches!(token, TokenTree::Group(_)));
    path.last().is_some_and(|last| is_word(&last, "test"))
}
