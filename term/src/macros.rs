//! `term!`: literals that look like Erlang.

/// Builds a [`Term`](crate::Term) from a literal that looks like Erlang.
///
/// One rule decides what a bare word is: **at the head of a tuple and as the key of a map it is an atom; everywhere else it is a Rust
/// expression**. An atom anywhere else is written `'name`, a Rust value at a head or as a key in parentheses.
///
/// | here | Erlang |
/// | --- | --- |
/// | `{ok, count}` | `{ok, Count}` |
/// | `{error, 'not_found}` | `{error, not_found}` |
/// | `{(tag), count}` | `{Tag, Count}` |
/// | `#{name => "rust", (key) => [from, me]}` | `#{name => <<"rust">>, Key => [From, Me]}` |
/// | `[first, second \| rest]` | `[First, Second \| Rest]` |
/// | `'ok` | `ok` |
/// | `x + 1`, `self.pid`, `f(y)` | any Rust value that is `Serialize`, terms, pids and atoms among them |
///
/// An atom that is no Rust word is given as a value: `(Atom::from_static("Elixir.Foo"))`.
///
/// ```
/// use term::{Term, term};
/// let (name, port) = ("rust", 4369);
/// let reply = term!({ok, #{name => name, ports => [port, port + 1]}, 'undefined});
/// assert!(reply.element(0).unwrap().is_atom("ok"));
/// assert_eq!(reply.element(1).unwrap().get("ports").unwrap(), Term::from([4369, 4370]));
/// ```
///
/// # Panics
/// If a value cannot be written (a float that is not finite), if a map has a key twice, or the tail of a list is no term.
#[macro_export]
macro_rules! term {
    ($($literal:tt)+) => {{
        let mut literal = $crate::__private::Literal::new();
        $crate::__term!(@value literal $($literal)+);
        literal.finish()
    }};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __term {
    // A value.
    (@value $out:ident {}) => { $out.tuple(0) };
    (@value $out:ident { $head:ident }) => {{ $out.tuple(1); $out.atom(stringify!($head)); }};
    (@value $out:ident { $head:ident, $($rest:tt)* }) => {{
        let at = $out.open_tuple();
        $out.atom(stringify!($head));
        let mut count = 1usize;
        $crate::__term!(@elements $out count () $($rest)*);
        $out.close_tuple(at, count);
    }};
    (@value $out:ident { $($elements:tt)+ }) => {{
        let at = $out.open_tuple();
        let mut count = 0usize;
        $crate::__term!(@elements $out count () $($elements)+);
        $out.close_tuple(at, count);
    }};
    (@value $out:ident []) => { $out.nil() };
    (@value $out:ident [ $($elements:tt)+ ]) => {{
        let at = $out.open_list();
        let mut count = 0usize;
        $crate::__term!(@list $out count at () $($elements)+);
    }};
    (@value $out:ident #{}) => { $out.close_map_of(0) };
    (@value $out:ident #{ $($pairs:tt)+ }) => {{
        let at = $out.open_map();
        let mut count = 0usize;
        $crate::__term!(@key $out count $($pairs)+);
        $out.close_map(at, count);
    }};
    (@value $out:ident $atom:lifetime) => { $out.quoted(stringify!($atom)) };
    (@value $out:ident $value:expr) => { $out.value(&$value) };

    // Elements up to the next comma, gathered in parentheses.
    (@elements $out:ident $count:ident ()) => {};
    (@elements $out:ident $count:ident ($($one:tt)+)) => { $count += 1; $crate::__term!(@value $out $($one)+); };
    (@elements $out:ident $count:ident ($($one:tt)+) , $($rest:tt)*) => {
        $count += 1;
        $crate::__term!(@value $out $($one)+);
        $crate::__term!(@elements $out $count () $($rest)*);
    };
    (@elements $out:ident $count:ident ($($one:tt)*) $next:tt $($rest:tt)*) => {
        $crate::__term!(@elements $out $count ($($one)* $next) $($rest)*);
    };

    // The same in a list, which may end in a tail.
    (@list $out:ident $count:ident $at:ident ()) => { $out.close_list($at, $count); };
    (@list $out:ident $count:ident $at:ident ($($one:tt)+)) => {
        $count += 1;
        $crate::__term!(@value $out $($one)+);
        $out.close_list($at, $count);
    };
    (@list $out:ident $count:ident $at:ident ($($one:tt)+) | $($tail:tt)+) => {
        $count += 1;
        $crate::__term!(@value $out $($one)+);
        $crate::__term!(@value $out $($tail)+);
        $out.close_improper($at, $count);
    };
    (@list $out:ident $count:ident $at:ident ($($one:tt)+) , $($rest:tt)*) => {
        $count += 1;
        $crate::__term!(@value $out $($one)+);
        $crate::__term!(@list $out $count $at () $($rest)*);
    };
    (@list $out:ident $count:ident $at:ident ($($one:tt)*) $next:tt $($rest:tt)*) => {
        $crate::__term!(@list $out $count $at ($($one)* $next) $($rest)*);
    };

    // A key and its arrow, then its value.
    (@key $out:ident $count:ident) => {};
    (@key $out:ident $count:ident $key:ident => $($rest:tt)+) => {
        $count += 1;
        $out.atom(stringify!($key));
        $crate::__term!(@pair $out $count () $($rest)+);
    };
    (@key $out:ident $count:ident #{ $($key:tt)* } => $($rest:tt)+) => {
        $count += 1;
        $crate::__term!(@value $out #{ $($key)* });
        $crate::__term!(@pair $out $count () $($rest)+);
    };
    (@key $out:ident $count:ident $key:tt => $($rest:tt)+) => {
        $count += 1;
        $crate::__term!(@value $out $key);
        $crate::__term!(@pair $out $count () $($rest)+);
    };
    (@pair $out:ident $count:ident ($($one:tt)+)) => { $crate::__term!(@value $out $($one)+); };
    (@pair $out:ident $count:ident ($($one:tt)+) , $($rest:tt)*) => {
        $crate::__term!(@value $out $($one)+);
        $crate::__term!(@key $out $count $($rest)*);
    };
    (@pair $out:ident $count:ident ($($one:tt)*) $next:tt $($rest:tt)*) => {
        $crate::__term!(@pair $out $count ($($one)* $next) $($rest)*);
    };
}

/// What `term!` writes to.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Literal {
    out: Vec<u8>,
}

#[doc(hidden)]
#[allow(missing_docs)]
impl Literal {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn encoder(&mut self) -> Encoder<'_> {
        Encoder::new(&mut self.out)
    }

    pub fn atom(&mut self, name: &'static str) {
        self.encoder().atom(&Atom::from_static(name.strip_prefix("r#").unwrap_or(name)));
    }

    pub fn quoted(&mut self, lifetime: &'static str) {
        self.atom(lifetime.strip_prefix('\'').unwrap_or(lifetime));
    }

    pub fn nil(&mut self) {
        self.encoder().nil();
    }

    pub fn tuple(&mut self, arity: usize) {
        self.encoder().tuple_header(arity);
    }

    pub fn open_tuple(&mut self) -> usize {
        open::open_tuple(&mut self.out)
    }

    pub fn close_tuple(&mut self, at: usize, arity: usize) {
        open::close_tuple(&mut self.out, at, arity);
    }

    pub fn open_list(&mut self) -> usize {
        open::open_list(&mut self.out)
    }

    pub fn close_list(&mut self, at: usize, length: usize) {
        open::close_list(&mut self.out, at, length);
    }

    pub fn close_improper(&mut self, at: usize, length: usize) {
        open::close_counted(&mut self.out, at, length);
    }

    pub fn open_map(&mut self) -> usize {
        self.encoder().map_header(0);
        self.out.len() - 5
    }

    pub fn close_map_of(&mut self, pairs: usize) {
        self.encoder().map_header(pairs);
    }

    pub fn close_map(&mut self, at: usize, pairs: usize) {
        open::close_counted(&mut self.out, at, pairs);
    }

    pub fn value<T: ::serde::Serialize + ?Sized>(&mut self, value: &T) {
        if let Err(error) = crate::serde::encode_into(value, &mut self.out) {
            panic!("term!: {error}");
        }
    }

    #[must_use]
    pub fn finish(self) -> Term {
        match Term::from_encoded(self.out) {
            Ok(term) => term,
            Err(error) => panic!("term!: {error}"),
        }
    }
}

use crate::atom::Atom;
use crate::encoder::Encoder;
use crate::open;
use crate::term::Term;
