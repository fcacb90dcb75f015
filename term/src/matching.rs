//! `match_term!`: patterns that look like Erlang, checked by the compiler, without a copy.

use bytes::Bytes;
use num_bigint::BigInt;

use crate::atom::{Atom, AtomRef};
use crate::node::{Kind, Node};
use crate::pid::Pid;
use crate::port::Port;
use crate::reference::Reference;
use crate::term::{Term, TermRef};
use crate::view::{List, Map, Tuple};

/// Takes the first arm whose pattern the term matches, as Erlang's `case` does.
///
/// `match_term!(term, { pattern => value, ... })`; the last arm is a name or `_`, so that there is always one. Bare words follow the rule of
/// [`term!`](crate::term!): **at the head of a tuple and as the key of a map they are atoms, everywhere else they bind**.
///
/// | pattern | matches |
/// | --- | --- |
/// | `{call, from, request}` | `{call, From, Request}`; `from` is a [`TermRef`] |
/// | `{call, from @ Pid, n @ i64}` | the same if they are of that kind; any type with [`Matched`] |
/// | `{(tag), _}` | `Tag` bound before: any value with [`Pinned`] |
/// | `{tag @ Atom, _}` | a head that binds |
/// | `[first, second \| rest]`, `[]` | lists |
/// | `#{name => n @ &str}` | a map that has the key, and perhaps others |
/// | `'ok`, `42`, `-1`, `"text"` | the atom, the number, the binary |
/// | `pattern if condition` | with a guard (not after `name @ Type`) |
///
/// Arms end in a comma. More than a dozen arms may need `#![recursion_limit = "256"]` in the crate, because macros expand by recursion.
///
/// ```
/// use term::{Pid, match_term, term};
/// let message = term!({add, 2, [1, 2, 3], #{unit => "mm"}});
/// let answer = match_term!(message, {
///     {stop, _reason} => 0,
///     {add, n @ i64, [first @ i64 | _], #{unit => "mm"}} if n > 1 => n + first,
///     _other => -1,
/// });
/// assert_eq!(answer, 3);
/// ```
#[macro_export]
macro_rules! match_term {
    ($term:expr, { $($arms:tt)+ }) => {
        match $crate::__private::subject(&$term) {
            subject => $crate::__match_term!(@arms subject $($arms)+),
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __match_term {
    // The last arm.
    (@arms $s:ident _ => $body:expr $(,)?) => { $body };
    (@arms $s:ident $other:ident => $body:expr $(,)?) => {{ let $other = $s; $body }};

    // An arm, by the form of its pattern.
    (@arms $s:ident { $($p:tt)* } => $body:expr, $($rest:tt)+) => {
        $crate::__match_term!(@go [] [({ $($p)* }) $s] { $body } true ($s $($rest)+))
    };
    (@arms $s:ident { $($p:tt)* } if $guard:expr => $body:expr, $($rest:tt)+) => {
        $crate::__match_term!(@go [] [({ $($p)* }) $s] { $body } ($guard) ($s $($rest)+))
    };
    (@arms $s:ident [ $($p:tt)* ] => $body:expr, $($rest:tt)+) => {
        $crate::__match_term!(@go [] [([ $($p)* ]) $s] { $body } true ($s $($rest)+))
    };
    (@arms $s:ident [ $($p:tt)* ] if $guard:expr => $body:expr, $($rest:tt)+) => {
        $crate::__match_term!(@go [] [([ $($p)* ]) $s] { $body } ($guard) ($s $($rest)+))
    };
    (@arms $s:ident # { $($p:tt)* } => $body:expr, $($rest:tt)+) => {
        $crate::__match_term!(@go [] [(# { $($p)* }) $s] { $body } true ($s $($rest)+))
    };
    (@arms $s:ident # { $($p:tt)* } if $guard:expr => $body:expr, $($rest:tt)+) => {
        $crate::__match_term!(@go [] [(# { $($p)* }) $s] { $body } ($guard) ($s $($rest)+))
    };
    (@arms $s:ident $p:lifetime => $body:expr, $($rest:tt)+) => {
        $crate::__match_term!(@go [] [($p) $s] { $body } true ($s $($rest)+))
    };
    (@arms $s:ident $p:lifetime if $guard:expr => $body:expr, $($rest:tt)+) => {
        $crate::__match_term!(@go [] [($p) $s] { $body } ($guard) ($s $($rest)+))
    };
    (@arms $s:ident $n:ident @ $k:ty => $body:expr, $($rest:tt)+) => {
        $crate::__match_term!(@go [] [($n @ $k) $s] { $body } true ($s $($rest)+))
    };
    (@arms $s:ident - $p:literal => $body:expr, $($rest:tt)+) => {
        $crate::__match_term!(@go [] [(- $p) $s] { $body } true ($s $($rest)+))
    };
    (@arms $s:ident - $p:literal if $guard:expr => $body:expr, $($rest:tt)+) => {
        $crate::__match_term!(@go [] [(- $p) $s] { $body } ($guard) ($s $($rest)+))
    };
    (@arms $s:ident $p:literal => $body:expr, $($rest:tt)+) => {
        $crate::__match_term!(@go [] [($p) $s] { $body } true ($s $($rest)+))
    };
    (@arms $s:ident $p:literal if $guard:expr => $body:expr, $($rest:tt)+) => {
        $crate::__match_term!(@go [] [($p) $s] { $body } ($guard) ($s $($rest)+))
    };
    (@arms $s:ident ($p:expr) => $body:expr, $($rest:tt)+) => {
        $crate::__match_term!(@go [] [(($p)) $s] { $body } true ($s $($rest)+))
    };
    (@arms $s:ident ($p:expr) if $guard:expr => $body:expr, $($rest:tt)+) => {
        $crate::__match_term!(@go [] [(($p)) $s] { $body } ($guard) ($s $($rest)+))
    };
    (@arms $s:ident $n:ident if $guard:expr => $body:expr, $($rest:tt)+) => {
        $crate::__match_term!(@go [] [($n) $s] { $body } ($guard) ($s $($rest)+))
    };

    // All conditions gathered.
    (@go [$($c:tt)*] [] { $body:expr } $guard:tt ($($rest:tt)+)) => {
        if true $($c)* && $guard { $body } else { $crate::__match_term!(@arms $($rest)+) }
    };

    // One pattern and the part it is for; what it contains joins the queue.
    (@go [$($c:tt)*] [(_) $t:ident $($q:tt)*] $($end:tt)+) => { $crate::__match_term!(@go [$($c)*] [$($q)*] $($end)+) };
    (@go [$($c:tt)*] [({}) $t:ident $($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@go [$($c)* && $crate::__private::is_tuple($t, 0)] [$($q)*] $($end)+)
    };
    (@go [$($c:tt)*] [({ $head:ident }) $t:ident $($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@go [$($c)* && $crate::__private::is_tagged($t, 1, stringify!($head))] [$($q)*] $($end)+)
    };
    (@go [$($c:tt)*] [({ $head:ident, $($p:tt)* }) $t:ident $($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@tuple [$($c)*] [] (stringify!($head)) $t (1usize) () [$($p)*] [$($q)*] $($end)+)
    };
    (@go [$($c:tt)*] [({ $($p:tt)+ }) $t:ident $($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@tuple [$($c)*] [] () $t (0usize) () [$($p)+] [$($q)*] $($end)+)
    };
    (@go [$($c:tt)*] [([ $($p:tt)* ]) $t:ident $($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@list [$($c)*] $t () [$($p)*] [$($q)*] $($end)+)
    };
    (@go [$($c:tt)*] [(# { $($p:tt)* }) $t:ident $($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@map [$($c)* && $crate::__private::is_map($t)] $t [$($p)*] [$($q)*] $($end)+)
    };
    (@go [$($c:tt)*] [($atom:lifetime) $t:ident $($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@go [$($c)* && $crate::__private::is_quoted($t, stringify!($atom))] [$($q)*] $($end)+)
    };
    (@go [$($c:tt)*] [($name:ident @ $kind:ty) $t:ident $($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@go [$($c)* && let Some($name) = <$kind as $crate::Matched<'_>>::matched($t)] [$($q)*] $($end)+)
    };
    (@go [$($c:tt)*] [($name:ident) $t:ident $($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@go [$($c)* && let Some($name) = Some($t)] [$($q)*] $($end)+)
    };
    (@go [$($c:tt)*] [($value:expr) $t:ident $($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@go [$($c)* && $crate::Pinned::is(&$value, $t)] [$($q)*] $($end)+)
    };

    // Elements of a tuple, one after the other: conditions before, conditions of the elements, the head, the index, tokens so far.
    (@tuple [$($c:tt)*] [$($e:tt)*] ($($head:expr)?) $t:ident ($n:expr) () [] [$($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@go [$($c)* && $crate::__private::is_tuple($t, $n) $(&& $crate::__private::is_tagged($t, $n, $head))? $($e)*] [$($q)*] $($end)+)
    };
    (@tuple [$($c:tt)*] [$($e:tt)*] $head:tt $t:ident ($n:expr) () [_] $q:tt $($end:tt)+) => {
        $crate::__match_term!(@tuple [$($c)*] [$($e)* ] $head $t ($n + 1) () [] $q $($end)+)
    };
    (@tuple [$($c:tt)*] [$($e:tt)*] $head:tt $t:ident ($n:expr) () [_, $($rest:tt)*] $q:tt $($end:tt)+) => {
        $crate::__match_term!(@tuple [$($c)*] [$($e)* ] $head $t ($n + 1) () [$($rest)*] $q $($end)+)
    };
    (@tuple [$($c:tt)*] [$($e:tt)*] $head:tt $t:ident ($n:expr) () [$name:ident] $q:tt $($end:tt)+) => {
        $crate::__match_term!(@tuple [$($c)*] [$($e)* && let Some($name) = $crate::__private::element($t, $n)] $head $t ($n + 1) () [] $q $($end)+)
    };
    (@tuple [$($c:tt)*] [$($e:tt)*] $head:tt $t:ident ($n:expr) () [$name:ident, $($rest:tt)*] $q:tt $($end:tt)+) => {
        $crate::__match_term!(@tuple [$($c)*] [$($e)* && let Some($name) = $crate::__private::element($t, $n)] $head $t ($n + 1) () [$($rest)*] $q $($end)+)
    };
    (@tuple [$($c:tt)*] [$($e:tt)*] $head:tt $t:ident ($n:expr) () [$name:ident @ $kind:ty] $q:tt $($end:tt)+) => {
        $crate::__match_term!(@tuple [$($c)*] [$($e)* && let Some(element) = $crate::__private::element($t, $n) && let Some($name) = <$kind as $crate::Matched<'_>>::matched(element)] $head $t ($n + 1) () [] $q $($end)+)
    };
    (@tuple [$($c:tt)*] [$($e:tt)*] $head:tt $t:ident ($n:expr) () [$name:ident @ $kind:ty, $($rest:tt)*] $q:tt $($end:tt)+) => {
        $crate::__match_term!(@tuple [$($c)*] [$($e)* && let Some(element) = $crate::__private::element($t, $n) && let Some($name) = <$kind as $crate::Matched<'_>>::matched(element)] $head $t ($n + 1) () [$($rest)*] $q $($end)+)
    };
    (@tuple [$($c:tt)*] [$($e:tt)*] $head:tt $t:ident ($n:expr) () [$atom:lifetime] $q:tt $($end:tt)+) => {
        $crate::__match_term!(@tuple [$($c)*] [$($e)* && let Some(element) = $crate::__private::element($t, $n) && $crate::__private::is_quoted(element, stringify!($atom))] $head $t ($n + 1) () [] $q $($end)+)
    };
    (@tuple [$($c:tt)*] [$($e:tt)*] $head:tt $t:ident ($n:expr) () [$atom:lifetime, $($rest:tt)*] $q:tt $($end:tt)+) => {
        $crate::__match_term!(@tuple [$($c)*] [$($e)* && let Some(element) = $crate::__private::element($t, $n) && $crate::__private::is_quoted(element, stringify!($atom))] $head $t ($n + 1) () [$($rest)*] $q $($end)+)
    };
    (@tuple [$($c:tt)*] [$($e:tt)*] $head:tt $t:ident ($n:expr) () [$p:tt] [$($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@tuple [$($c)*] [$($e)* && let Some(element) = $crate::__private::element($t, $n)] $head $t ($n + 1) () []
            [($p) element $($q)*] $($end)+)
    };
    (@tuple [$($c:tt)*] [$($e:tt)*] $head:tt $t:ident ($n:expr) () [$p:tt, $($rest:tt)*] [$($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@tuple [$($c)*] [$($e)* && let Some(element) = $crate::__private::element($t, $n)] $head $t ($n + 1) () [$($rest)*]
            [($p) element $($q)*] $($end)+)
    };
    (@tuple [$($c:tt)*] [$($e:tt)*] $head:tt $t:ident ($n:expr) ($($p:tt)+) [] [$($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@tuple [$($c)*] [$($e)* && let Some(element) = $crate::__private::element($t, $n)] $head $t ($n + 1) () []
            [($($p)+) element $($q)*] $($end)+)
    };
    (@tuple [$($c:tt)*] [$($e:tt)*] $head:tt $t:ident ($n:expr) ($($p:tt)+) [, $($rest:tt)*] [$($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@tuple [$($c)*] [$($e)* && let Some(element) = $crate::__private::element($t, $n)] $head $t ($n + 1) () [$($rest)*]
            [($($p)+) element $($q)*] $($end)+)
    };
    (@tuple [$($c:tt)*] [$($e:tt)*] $head:tt $t:ident ($n:expr) ($($p:tt)*) [$next:tt $($rest:tt)*] [$($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@tuple [$($c)*] [$($e)*] $head $t ($n) ($($p)* $next) [$($rest)*] [$($q)*] $($end)+)
    };

    // Elements of a list, and its tail.
    (@list [$($c:tt)*] $t:ident () [] [$($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@go [$($c)* && $crate::__private::is_nil($t)] [$($q)*] $($end)+)
    };
    (@list [$($c:tt)*] $t:ident () [_] $q:tt $($end:tt)+) => {
        $crate::__match_term!(@list [$($c)* && let Some((_, rest)) = $crate::__private::uncons($t)] rest () [] $q $($end)+)
    };
    (@list [$($c:tt)*] $t:ident () [_, $($more:tt)*] $q:tt $($end:tt)+) => {
        $crate::__match_term!(@list [$($c)* && let Some((_, rest)) = $crate::__private::uncons($t)] rest () [$($more)*] $q $($end)+)
    };
    (@list [$($c:tt)*] $t:ident () [$name:ident] $q:tt $($end:tt)+) => {
        $crate::__match_term!(@list [$($c)* && let Some(($name, rest)) = $crate::__private::uncons($t)] rest () [] $q $($end)+)
    };
    (@list [$($c:tt)*] $t:ident () [$name:ident, $($more:tt)*] $q:tt $($end:tt)+) => {
        $crate::__match_term!(@list [$($c)* && let Some(($name, rest)) = $crate::__private::uncons($t)] rest () [$($more)*] $q $($end)+)
    };
    (@list [$($c:tt)*] $t:ident () [$name:ident @ $kind:ty] $q:tt $($end:tt)+) => {
        $crate::__match_term!(@list [$($c)* && let Some((element, rest)) = $crate::__private::uncons($t) && let Some($name) = <$kind as $crate::Matched<'_>>::matched(element)] rest () [] $q $($end)+)
    };
    (@list [$($c:tt)*] $t:ident () [$name:ident @ $kind:ty, $($more:tt)*] $q:tt $($end:tt)+) => {
        $crate::__match_term!(@list [$($c)* && let Some((element, rest)) = $crate::__private::uncons($t) && let Some($name) = <$kind as $crate::Matched<'_>>::matched(element)] rest () [$($more)*] $q $($end)+)
    };
    (@list [$($c:tt)*] $t:ident ($($p:tt)+) [] [$($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@list [$($c)* && let Some((element, rest)) = $crate::__private::uncons($t)] rest () []
            [($($p)+) element $($q)*] $($end)+)
    };
    (@list [$($c:tt)*] $t:ident ($($p:tt)+) [, $($more:tt)*] [$($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@list [$($c)* && let Some((element, rest)) = $crate::__private::uncons($t)] rest () [$($more)*]
            [($($p)+) element $($q)*] $($end)+)
    };
    (@list [$($c:tt)*] $t:ident ($($p:tt)+) [| $($tail:tt)+] [$($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@go [$($c)* && let Some((element, rest)) = $crate::__private::uncons($t)]
            [($($p)+) element ($($tail)+) rest $($q)*] $($end)+)
    };
    (@list [$($c:tt)*] $t:ident ($($p:tt)*) [$next:tt $($more:tt)*] [$($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@list [$($c)*] $t ($($p)* $next) [$($more)*] [$($q)*] $($end)+)
    };

    // Keys of a map.
    (@map [$($c:tt)*] $t:ident [] [$($q:tt)*] $($end:tt)+) => { $crate::__match_term!(@go [$($c)*] [$($q)*] $($end)+) };
    (@map [$($c:tt)*] $t:ident [$key:ident => $($rest:tt)+] [$($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@value [$($c)* && let Some(value) = $crate::__private::get($t, stringify!($key))] $t value () [$($rest)+] [$($q)*] $($end)+)
    };
    (@map [$($c:tt)*] $t:ident [$key:tt => $($rest:tt)+] [$($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@value [$($c)* && let Some(value) = $crate::__private::find($t, &$key)] $t value () [$($rest)+] [$($q)*] $($end)+)
    };
    (@value [$($c:tt)*] $t:ident $v:ident ($($p:tt)+) [] [$($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@go [$($c)*] [($($p)+) $v $($q)*] $($end)+)
    };
    (@value [$($c:tt)*] $t:ident $v:ident ($($p:tt)+) [, $($rest:tt)*] [$($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@map [$($c)*] $t [$($rest)*] [($($p)+) $v $($q)*] $($end)+)
    };
    (@value [$($c:tt)*] $t:ident $v:ident ($($p:tt)*) [$next:tt $($rest:tt)*] [$($q:tt)*] $($end:tt)+) => {
        $crate::__match_term!(@value [$($c)*] $t $v ($($p)* $next) [$($rest)*] [$($q)*] $($end)+)
    };
}

/// A type that a pattern of [`match_term!`](crate::match_term!) can ask for: `n @ i64`.
pub trait Matched<'a>: Sized {
    /// The term as this type, if it is one.
    fn matched(term: TermRef<'a>) -> Option<Self>;
}

macro_rules! matched {
    ($($type:ty: $term:ident => $value:expr;)*) => {$(
        impl<'a> Matched<'a> for $type {
            fn matched($term: TermRef<'a>) -> Option<Self> {
                $value
            }
        }
    )*};
}
matched! {
    i64: term => term.as_i64();
    u64: term => term.as_u64();
    i32: term => i32::try_from(term.as_i64()?).ok();
    u32: term => u32::try_from(term.as_i64()?).ok();
    i16: term => i16::try_from(term.as_i64()?).ok();
    u16: term => u16::try_from(term.as_i64()?).ok();
    u8: term => u8::try_from(term.as_i64()?).ok();
    usize: term => usize::try_from(term.as_u64()?).ok();
    f64: term => term.as_f64();
    bool: term => term.as_bool();
    BigInt: term => term.as_big_integer();
    AtomRef<'a>: term => term.as_atom();
    Atom: term => term.as_atom().map(AtomRef::to_atom);
    &'a str: term => term.as_str();
    String: term => term.as_str().map(str::to_owned);
    &'a [u8]: term => term.as_bytes();
    Bytes: term => term.as_binary();
    Pid: term => term.as_pid();
    Port: term => term.as_port();
    Reference: term => term.as_reference();
    Tuple<'a>: term => term.as_tuple();
    List<'a>: term => term.as_list();
    Map<'a>: term => term.as_map();
    TermRef<'a>: term => Some(term);
    Term: term => Some(term.to_term());
}

/// A value that stands in a pattern of [`match_term!`](crate::match_term!) and must be there: a literal, or `(value)`, Elixir's `^value`.
pub trait Pinned {
    /// Whether the term is this value (`=:=`).
    fn is(&self, term: TermRef<'_>) -> bool;
}

macro_rules! pinned {
    ($($type:ty: ($value:ident, $term:ident) => $is:expr;)*) => {$(
        impl Pinned for $type {
            fn is(&self, $term: TermRef<'_>) -> bool {
                let $value = self;
                $is
            }
        }
    )*};
}
pinned! {
    i32: (value, term) => term.as_i64() == Some(i64::from(*value));
    i64: (value, term) => term.as_i64() == Some(*value);
    u32: (value, term) => term.as_i64() == Some(i64::from(*value));
    u64: (value, term) => term.as_u64() == Some(*value);
    f64: (value, term) => term.as_f64().is_some_and(|float| float.to_bits() == value.to_bits());
    bool: (value, term) => term.as_bool() == Some(*value);
    str: (value, term) => term.as_bytes() == Some(value.as_bytes());
    String: (value, term) => term.as_bytes() == Some(value.as_bytes());
    [u8]: (value, term) => term.as_bytes() == Some(value);
    Atom: (value, term) => term.as_atom().is_some_and(|atom| atom == *value);
    AtomRef<'_>: (value, term) => term.as_atom() == Some(*value);
    Pid: (value, term) => term.as_pid().as_ref() == Some(value);
    Port: (value, term) => term.as_port().as_ref() == Some(value);
    Reference: (value, term) => term.as_reference().as_ref() == Some(value);
    Term: (value, term) => term == value.root();
    TermRef<'_>: (value, term) => term == *value;
}

impl<T: Pinned + ?Sized> Pinned for &T {
    fn is(&self, term: TermRef<'_>) -> bool {
        (**self).is(term)
    }
}

/// What can be matched: a term, or a part of one.
#[doc(hidden)]
pub trait Subject {
    #[allow(missing_docs)]
    fn subject(&self) -> TermRef<'_>;
}

impl Subject for Term {
    fn subject(&self) -> TermRef<'_> {
        self.root()
    }
}

impl Subject for TermRef<'_> {
    fn subject(&self) -> TermRef<'_> {
        *self
    }
}

impl<T: Subject + ?Sized> Subject for &T {
    fn subject(&self) -> TermRef<'_> {
        (**self).subject()
    }
}

#[doc(hidden)]
#[allow(missing_docs, unreachable_pub, reason = "for the macro alone, by way of `__private`")]
pub mod expanded {
    //! What the patterns expand to.

    use super::{Kind, Node, Pinned, Subject, TermRef};

    pub fn subject<T: Subject + ?Sized>(term: &T) -> TermRef<'_> {
        term.subject()
    }

    #[must_use]
    pub fn is_tuple(term: TermRef<'_>, arity: usize) -> bool {
        term.node.kind() == Kind::Tuple && term.node.count() == arity
    }

    #[must_use]
    pub fn is_tagged(term: TermRef<'_>, arity: usize, tag: &str) -> bool {
        is_tuple(term, arity) && element(term, 0).is_some_and(|head| head.is_atom(plain(tag)))
    }

    #[must_use]
    pub fn element(term: TermRef<'_>, index: usize) -> Option<TermRef<'_>> {
        term.element(index)
    }

    #[must_use]
    pub fn is_nil(term: TermRef<'_>) -> bool {
        term.node.kind() == Kind::Nil
    }

    #[must_use]
    pub fn is_map(term: TermRef<'_>) -> bool {
        term.node.kind() == Kind::Map
    }

    #[must_use]
    pub fn is_quoted(term: TermRef<'_>, lifetime: &str) -> bool {
        term.is_atom(plain(lifetime.strip_prefix('\'').unwrap_or(lifetime)))
    }

    #[must_use]
    pub fn get<'a>(term: TermRef<'a>, key: &str) -> Option<TermRef<'a>> {
        term.get(plain(key))
    }

    pub fn find<'a, K: Pinned + ?Sized>(term: TermRef<'a>, key: &K) -> Option<TermRef<'a>> {
        term.as_map()?.iter().find(|(candidate, _)| key.is(*candidate)).map(|(_, value)| value)
    }

    /// The first element and the rest, which is again a list where it lies.
    #[must_use]
    pub fn uncons(term: TermRef<'_>) -> Option<(TermRef<'_>, TermRef<'_>)> {
        let (node, context) = (term.node, term.context());
        match node.kind() {
            Kind::List => {
                let first = node.first();
                let rest = match node.count() {
                    1 => context.at(first + 1),
                    count => Node::new(Kind::List, count as u32 - 1, first as u64 + 1),
                };
                Some((term.part(context.at(first)), term.part(rest)))
            }
            Kind::String => {
                let (&byte, rest) = node.span(context.bytes).split_first()?;
                let rest = if rest.is_empty() {
                    Node::NIL
                } else {
                    Node::new(Kind::String, node.a() + 1, node.b - 1)
                };
                Some((term.part(Node::int(i64::from(byte))), term.part(rest)))
            }
            _ => None,
        }
    }

    /// `r#type` is the atom `type`.
    fn plain(name: &str) -> &str {
        name.strip_prefix("r#").unwrap_or(name)
    }
}
