//! Functions that may be called in constants. No switch can be asked in one, so the copy has it like any other function,
//! unless the compiler wants it in a constant.

use std::ops::Range;

use syn::visit::{self, Visit};
use syn::{ImplItemFn, ItemFn, ItemImpl, Signature, Type};

const WORD: &str = "const";

/// The text of a file, in which all places stay where they were.
pub(crate) struct Plain {
    pub(crate) text: String,
    /// The functions whose `const` is taken off.
    taken: Vec<Taken>,
}

struct Taken {
    word: Range<usize>,
    /// The type whose function it is, if it is one.
    owner: Option<String>,
    name: String,
}

impl Plain {
    /// Takes the `const` off all functions of a text.
    ///
    /// # Errors
    /// It is not that of a Rust file.
    pub(crate) fn of(mut text: String) -> Result<Self, syn::Error> {
        let mut finder = Finder::default();
        finder.visit_file(&syn::parse_file(&text)?);
        for taken in &finder.taken {
            text.replace_range(taken.word.clone(), &" ".repeat(WORD.len()));
        }
        let taken = finder.taken;
        Ok(Self { text, taken })
    }

    /// Whether a function without it may be the one that an error of the compiler names.
    pub(crate) fn has(&self, called: &str) -> bool {
        self.taken.iter().any(|taken| taken.is_called(called))
    }

    /// Puts it back to that function.
    pub(crate) fn put_back(&mut self, called: &str) {
        let is_meant = |taken: &mut Taken| taken.is_called(called);
        for taken in self.taken.extract_if(.., is_meant) {
            self.text.replace_range(taken.word, WORD);
        }
    }
}

impl Taken {
    /// Whether `called` may be it, a path like `some::Type::<u8>::name`. How the compiler writes a type of another module is
    /// not to be relied on (`<impl Type>`), so then the name alone counts.
    fn is_called(&self, called: &str) -> bool {
        let path = without_arguments(called);
        let mut parts = path.rsplit("::").filter(|part| !part.is_empty());
        let is_named = parts.next() == Some(&self.name);
        let owner = self.owner.as_deref();
        is_named && (owner.is_none() || called.starts_with('<') || parts.next() == owner)
    }
}

/// The path without what stands in angle brackets.
fn without_arguments(path: &str) -> String {
    let mut depth = 0_usize;
    let is_outside = |letter: &char| {
        match letter {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ => return depth == 0,
        }
        false
    };
    path.chars().filter(is_outside).collect()
}

#[derive(Default)]
struct Finder {
    owner: Option<String>,
    taken: Vec<Taken>,
}

impl Finder {
    fn take(&mut self, signature: &Signature, owner: Option<String>) {
        if let Some(word) = signature.constness {
            self.taken.push(Taken {
                word: word.span.byte_range(),
                owner,
                name: signature.ident.to_string(),
            });
        }
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item_impl(&mut self, node: &'ast ItemImpl) {
        let name = match &*node.self_ty {
            Type::Path(path) => path.path.segments.last(),
            _ => None,
        };
        let outer = self.owner.take();
        self.owner = name.map(|part| part.ident.to_string());
        visit::visit_item_impl(self, node);
        self.owner = outer;
    }

    fn visit_impl_item_fn(&mut self, node: &'ast ImplItemFn) {
        self.take(&node.sig, self.owner.clone());
        visit::visit_impl_item_fn(self, node);
    }

    fn visit_item_fn(&mut self, node: &'ast ItemFn) {
        self.take(&node.sig, None);
        visit::visit_item_fn(self, node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
const A: B<u8> = B::new();
const fn free() {}
impl<T> B<T> {
    pub(crate) const unsafe fn new() -> Self { const fn free() {} }
    const C: u8 = 1;
    fn plain() {}
}
impl D { const fn new() {} }
impl [D] { const fn first() {} }
";

    #[test]
    fn functions_lose_the_word_and_nothing_else_moves() {
        let plain = Plain::of(TEXT.into()).unwrap();
        assert_eq!(
            plain.text,
            TEXT.replace("const fn", "      fn")
                .replace("const unsafe", "      unsafe")
        );
        assert_eq!(plain.taken.len(), 5);
    }

    #[test]
    fn the_one_that_is_named_gets_it_back() {
        let has = |called: &str| {
            let mut plain = Plain::of(TEXT.into()).unwrap();
            let before = plain.text.clone();
            let has = plain.has(called);
            plain.put_back(called);
            assert_eq!(has, plain.text != before, "{called}");
            assert!(!plain.has(called), "a second time");
            plain.text
        };
        assert!(has("m::B::<u8>::new").contains("pub(crate) const unsafe fn"));
        assert!(!has("m::B::<u8>::new").contains("{ const fn new"));
        assert!(has("D::new").contains("{ const fn new"));
        assert_eq!(has("free").matches("const fn free").count(), 2);
        assert!(has("<impl mB<<u8 as E>::F>>::new").contains("const unsafe fn new"));
        assert!(has("<impl [D]>::first").contains("const fn first"));
        for other in ["m::E::new", "B::<new>::other", "mutant_is", ""] {
            assert_eq!(has(other), Plain::of(TEXT.into()).unwrap().text);
        }
    }
}
