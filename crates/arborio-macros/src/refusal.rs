//! An error of the compiler that says what to write, and points at what is wrong.

use proc_macro::{Delimiter, Group, Literal, Span, TokenStream, TokenTree};

use crate::tokens::code;

/// Why an attribute is refused.
pub(crate) struct Refusal {
    /// The first and the last token that are wrong.
    place: (Span, Span),
    text: String,
}

impl Refusal {
    /// Points at all of `tokens`; at the attribute if there are none.
    pub(crate) fn of(tokens: impl IntoIterator<Item = TokenTree>, text: impl Into<String>) -> Self {
        let mut spans = tokens.into_iter().map(|token| token.span());
        let first = spans.next().unwrap_or_else(Span::call_site);
        Self {
            place: (first, spans.last().unwrap_or(first)),
            text: text.into(),
        }
    }

    /// `::core::compile_error! { "text" }`. The compiler underlines from the first token of it to
    /// the last one, so these get the places.
    pub(crate) fn into_tokens(self) -> TokenStream {
        let (first, last) = self.place;
        let path = code("::core::compile_error!").into_iter();
        let text = TokenTree::from(Literal::string(&self.text));
        let mut text = Group::new(Delimiter::Brace, text.into());
        text.set_span(last);
        let located = path.map(|mut token| {
            token.set_span(first);
            token
        });
        located.chain([text.into()]).collect()
    }
}
