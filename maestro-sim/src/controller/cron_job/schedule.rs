//! Cron schedules of five fields, in a time zone.
//!
//! Source: the rules of `robfig/cron` that Kubernetes uses: lists, ranges, steps, names of months
//! and days, `@hourly` and its like; when both day fields are limited, either may match.

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A parsed schedule; each field is a set of bits.
#[derive(Clone, Debug)]
pub struct Schedule {
    minute: u64,
    hour: u64,
    day: u64,
    month: u64,
    weekday: u64,
    any_day: bool,
    zone: TimeZone,
}

/// Unix seconds as RFC 3339.
pub fn rfc3339(unix: i64) -> String {
    Timestamp::from_second(unix).map_or_else(|_| String::new(), |t| t.to_string())
}

impl Schedule {
    /// Parses five fields or a shorthand; `None` when malformed or the zone (empty for UTC) is
    /// unknown.
    pub fn parse(text: &str, zone: &str) -> Option<Self> {
        let text = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else { return None };
        let zone = if zone.is_empty() { TimeZone::UTC } else { TimeZone::get(zone).ok()? };
        let days = field(weekday, 0, 7, &DAYS, 0)?;
        let star = |f: &str| f.starts_with(['*', '?']);
        Some(Self {
            minute: field(minute, 0, 59, &[], 0)?,
            hour: field(hour, 0, 23, &[], 0)?,
            day: field(day, 1, 31, &[], 0)?,
            month: field(month, 1, 12, &MONTHS, 1)?,
            // Sunday is 0 and 7.
            weekday: (days | (days >> 7)) & 0x7f,
            any_day: star(day) || star(weekday),
            zone,
        })
    }

    /// The first time after `unix`, within eight years.
    pub fn next(&self, unix: i64) -> Option<i64> {
        let start = Timestamp::from_second((unix.div_euclid(60) + 1) * 60).ok()?;
        let local = start.to_zoned(self.zone.clone()).datetime();
        let mut date = local.date();
        let mut from = (local.hour(), local.minute());
        for _ in 0..366 * 8 {
            if self.has_date(date) {
                for (hour, minute) in self.times(from) {
                    let at = date.at(hour, minute, 0, 0).to_zoned(self.zone.clone()).ok()?;
                    let at = at.timestamp().as_second();
                    if at > unix {
                        return Some(at);
                    }
                }
            }
            date = date.tomorrow().ok()?;
            from = (0, 0);
        }
        None
    }

    /// The latest time in `from..=to`, after `from`.
    pub fn last(&self, from: i64, to: i64) -> Option<i64> {
        // The span is halved until few times are left in it, so that a long outage costs little.
        let mut begin = from;
        let mut found = self.next(begin).filter(|at| *at <= to)?;
        let mut span = (to - found) / 2;
        while span > 60 {
            begin = (to - span).max(found);
            match self.next(begin).filter(|at| *at <= to) {
                Some(at) => {
                    found = at;
                    span = (to - found) / 2;
                }
                None => break,
            }
        }
        while let Some(at) = self.next(found).filter(|at| *at <= to) {
            found = at;
        }
        Some(found)
    }

    fn has_date(&self, date: civil::Date) -> bool {
        let bit = |set: u64, n: i8| set & (1 << n) != 0;
        let day = bit(self.day, date.day());
        let weekday = bit(self.weekday, date.weekday().to_sunday_zero_offset());
        let fits = if self.any_day { day && weekday } else { day || weekday };
        fits && bit(self.month, date.month())
    }

    fn times(&self, from: (i8, i8)) -> impl Iterator<Item = (i8, i8)> {
        let (hours, minutes) = (self.hour, self.minute);
        let hours = (0..24_i8).filter(move |h| hours & (1 << h) != 0);
        let all = hours.flat_map(move |h| {
            (0..60_i8).filter(move |m| minutes & (1 << m) != 0).map(move |m| (h, m))
        });
        all.filter(move |time| *time >= from)
    }
}

fn field(text: &str, low: u32, high: u32, names: &[&str], base: u32) -> Option<u64> {
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<u32>().ok().filter(|s| *s > 0)?)),
            None => (part, None),
        };
        let value = |text: &str| {
            let lower = text.to_ascii_lowercase();
            let named = names.iter().position(|n| *n == lower);
            let named = named.and_then(|i| u32::try_from(i).ok()).map(|i| i + base);
            named.or_else(|| text.parse().ok()).filter(|n| (low..=high).contains(n))
        };
        let (from, to) = match range {
            "*" | "?" => (low, high.min(if high == 7 { 6 } else { high })),
            _ => match range.split_once('-') {
                Some((from, to)) => (value(from)?, value(to)?),
                None => {
                    let from = value(range)?;
                    (from, if step.is_some() { high } else { from })
                }
            },
        };
        if from > to {
            return None;
        }
        let steps = (from..=to).step_by(usize::try_from(step.unwrap_or(1)).ok()?);
        bits |= steps.fold(0, |bits, n| bits | (1_u64 << n));
    }
    Some(bits)
}
