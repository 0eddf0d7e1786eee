//! Putting tokens together.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// Tokens from fixed text.
pub(crate) fn code(text: &str) -> TokenStream {
    text.parse()
        .unwrap_or_else(|error| unreachable!("`{text}` is written here: {error}"))
}

/// `{ inside }`
pub(crate) fn braced(inside: TokenStream) -> TokenStream {
    TokenTree::from(Group::new(Delimiter::Brace, inside)).into()
}

/// `( inside )`
pub(crate) fn bracketed(inside: TokenStream) -> TokenStream {
    TokenTree::from(Group::new(Delimiter::Parenthesis, inside)).into()
}

/// Whether `token` is this word.
pub(crate) fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident.to_string() == word)
}

/// Whether `token` is this sign.
pub(crate) fn is_sign(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}
