//! Numbers: integers in base 2 to 36, floats, digits grouped by `_`; OTP 28's floats in any base.

use num_bigint::{BigInt, BigUint};

use super::error::{ParseError, ParseErrorKind};
use super::quote::continues_name;
use super::scan::{Scanner, Token};

/// An integer without sign, as the text has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Integer {
    Small(u32),
    Large(BigUint),
}

impl Integer {
    pub(super) fn into_big(self) -> BigInt {
        match self {
            Self::Small(value) => value.into(),
            Self::Large(value) => value.into(),
        }
    }
}

/// Most bits of an integer, as OTP 27 has it. Reading digits costs time by the square of their number.
const MAX_BITS: f64 = 4_194_304.0;

impl<'t> Scanner<'t> {
    /// A token that begins with a digit.
    pub(super) fn number(&mut self) -> Result<Token<'t>, ParseError> {
        let start = self.at;
        let whole = self.digits(10);
        let token = if self.fraction_follows(10) {
            self.at += 1;
            self.digits(10);
            self.exponent(start)?;
            let text = without_separators(self.text.get(start..self.at).unwrap_or_default());
            self.float(start, text.parse())?
        } else if self.eat("#") {
            let base =
                without_separators(whole).parse().ok().filter(|base| (2..=36).contains(base));
            let Some(base) = base else {
                return Err(self.bad_number(start, "a base is 2 to 36"));
            };
            self.based(start, base)?
        } else {
            self.integer(start, whole, 10)?
        };
        if self.peek().is_some_and(continues_name) {
            return Err(self.bad_number(start, "it goes on like a name"));
        }
        Ok(token)
    }

    /// What follows `16#`.
    fn based(&mut self, start: usize, base: u32) -> Result<Token<'t>, ParseError> {
        let digits = self.digits(base);
        if !(self.syntax.has_based_floats() && self.fraction_follows(base)) {
            if digits.is_empty() {
                return Err(self.bad_number(start, "no digit of its base follows the base"));
            }
            return self.integer(start, digits, base);
        }
        self.at += 1;
        let fraction = self.digits(base);
        let mut exponent = 0;
        let after = self.rest().strip_prefix('#');
        if after.is_some_and(|after| after.starts_with(['e', 'E'])) {
            self.at += 1;
            exponent = self.exponent(start)?;
        }
        let (digits, fraction) = (without_separators(digits), without_separators(fraction));
        if base == 10 {
            return self.float(start, format!("{digits}.{fraction}e{exponent}").parse());
        }
        // In doubles, step by step as erl_scan computes it, so that the same digits are lost.
        let fraction = match fraction.trim_end_matches('0') {
            "" => "0",
            some => some,
        };
        self.integer(start, &format!("{digits}{fraction}"), base)?;
        let value = BigUint::parse_bytes(format!("{digits}{fraction}").as_bytes(), base)
            .unwrap_or_default();
        let value: f64 = value.to_string().parse().unwrap_or(f64::INFINITY);
        let scale = f64::from(base).powf(f64::from(exponent) - fraction.len() as f64);
        self.float(start, Ok(if scale.is_finite() { value * scale } else { f64::INFINITY }))
    }

    /// Digits of a base, with single separators between them.
    fn digits(&mut self, base: u32) -> &'t str {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let digit = |at: usize| bytes.get(at).is_some_and(|&byte| char::from(byte).is_digit(base));
        let mut length = 0;
        while digit(length) || length > 0 && bytes.get(length) == Some(&b'_') && digit(length + 1) {
            length += 1;
        }
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    fn fraction_follows(&self, base: u32) -> bool {
        let after = self.rest().strip_prefix('.');
        after.is_some_and(|after| after.starts_with(|character: char| character.is_digit(base)))
    }

    /// `e-10`, if there is one; its value, as far as it matters.
    fn exponent(&mut self, start: usize) -> Result<i32, ParseError> {
        if !self.rest().starts_with(['e', 'E']) {
            return Ok(0);
        }
        self.at += 1;
        let negative = self.eat("-");
        if !negative {
            self.eat("+");
        }
        let digits = without_separators(self.digits(10));
        if digits.is_empty() {
            return Err(self.bad_number(start, "an exponent has digits"));
        }
        let value = digits.parse::<i32>().unwrap_or(i32::MAX / 2);
        Ok(if negative { -value } else { value })
    }

    fn integer(&self, start: usize, digits: &str, base: u32) -> Result<Token<'t>, ParseError> {
        if digits.len() as f64 * f64::from(base).log2() > MAX_BITS {
            return Err(self
                .error(start, ParseErrorKind::TooLarge("an integer of more than 4,194,304 bits")));
        }
        let digits = without_separators(digits);
        let integer = match u32::from_str_radix(&digits, base) {
            Ok(value) => Integer::Small(value),
            Err(_) => {
                Integer::Large(BigUint::parse_bytes(digits.as_bytes(), base).unwrap_or_default())
            }
        };
        Ok(Token::Integer(integer))
    }

    fn float(
        &self,
        start: usize,
        value: Result<f64, std::num::ParseFloatError>,
    ) -> Result<Token<'t>, ParseError> {
        match value {
            Ok(value) if value.is_finite() => Ok(Token::Float(value)),
            _ => Err(self.bad_number(start, "a float is at most 1.7976931348623157e308")),
        }
    }

    fn bad_number(&self, start: usize, why: &'static str) -> ParseError {
        self.error(start, ParseErrorKind::BadNumber(why))
    }
}

fn without_separators(digits: &str) -> String {
    digits.replace('_', "")
}
