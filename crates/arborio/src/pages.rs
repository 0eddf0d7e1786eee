//! The programs of the README and of some pages, as tests.

/// A page whose programs are tested.
macro_rules! pages {
    ($($name:ident: $page:literal;)+) => {
        $(
            #[doc = include_str!(concat!("../../../", $page))]
            struct $name;
        )+
    };
}

pages! {
    Readme: "README.md";
    Guide: "docs/guide.md";
    Recipes: "docs/recipes.md";
    ReadmeOfMacros: "crates/arborio-macros/README.md";
    FromAsyncio: "docs/coming-from-asyncio.md";
    FromGiambio: "docs/coming-from-giambio.md";
    FromScarletio: "docs/coming-from-scarletio.md";
    FromTokio: "docs/coming-from-tokio.md";
    FromTraio: "docs/coming-from-traio.md";
    FromTrio: "docs/coming-from-trio.md";
}
