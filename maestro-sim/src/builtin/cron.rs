//! What is wrong with a cron schedule, in the words of the parser that the server uses.
//!
//! Source: `github.com/robfig/cron` 3, `ParseStandard`.

/// The least and the most of a field, and the names of its values.
struct Field {
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { least: 0, most: 59, names: &[] },
    Field { least: 0, most: 23, names: &[] },
    Field { least: 1, most: 31, names: &[] },
    Field {
        least: 1,
        most: 12,
        names: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    Field { least: 0, most: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

const SHORTHANDS: [&str; 7] =
    ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// What is wrong with a schedule, if anything.
pub(super) fn problem(schedule: &str) -> Option<String> {
    let zoned = schedule.starts_with("TZ=") || schedule.starts_with("CRON_TZ=");
    let schedule = if zoned { schedule.split_once(' ')?.1.trim() } else { schedule };
    if schedule.starts_with('@') {
        let known = SHORTHANDS.contains(&schedule) || schedule.starts_with("@every ");
        return (!known).then(|| format!("unrecognized descriptor: {schedule}"));
    }
    let parts: Vec<&str> = schedule.split_whitespace().collect();
    if parts.len() != FIELDS.len() {
        let (count, shown) = (parts.len(), parts.join(" "));
        return Some(format!("expected exactly 5 fields, found {count}: [{shown}]"));
    }
    let ranges = parts.iter().zip(&FIELDS).flat_map(|(part, field)| {
        part.split(',').filter(|range| !range.is_empty()).map(move |range| (range, field))
    });
    ranges.into_iter().find_map(|(range, field)| one(range, field).err())
}

fn one(range: &str, field: &Field) -> Result<(), String> {
    let steps: Vec<&str> = range.split('/').collect();
    let ends: Vec<&str> = steps[0].split('-').collect();
    let (start, mut end) = if matches!(ends[0], "*" | "?") {
        (field.least, field.most)
    } else {
        let start = value(ends[0], field)?;
        match ends.as_slice() {
            [_] => (start, start),
            [_, end] => (start, value(end, field)?),
            _ => return Err(format!("too many hyphens: {range}")),
        }
    };
    let step = match steps.as_slice() {
        [_] => 1,
        [_, step] => {
            let step = number(step)?;
            if ends.len() == 1 {
                end = field.most;
            }
            step
        }
        _ => return Err(format!("too many slashes: {range}")),
    };
    let Field { least, most, .. } = field;
    if start < *least {
        return Err(format!("beginning of range ({start}) below minimum ({least}): {range}"));
    }
    if end > *most {
        return Err(format!("end of range ({end}) above maximum ({most}): {range}"));
    }
    if start > end {
        return Err(format!("beginning of range ({start}) beyond end of range ({end}): {range}"));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {range}"));
    }
    Ok(())
}

fn value(text: &str, field: &Field) -> Result<u32, String> {
    let lower = text.to_ascii_lowercase();
    let named = field.names.iter().position(|name| *name == lower);
    match named.and_then(|index| u32::try_from(index).ok()) {
        Some(index) => Ok(index + field.least),
        None => number(text),
    }
}

fn number(text: &str) -> Result<u32, String> {
    if let Some(digits) = text.strip_prefix('-')
        && digits.parse::<u32>().is_ok()
    {
        return Err(format!("negative number ({text}) not allowed: {text}"));
    }
    text.parse().map_err(|_| {
        format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(schedule: &str, expected: Option<&str>) {
        assert_eq!(problem(schedule).as_deref(), expected, "{schedule}");
    }

    #[test]
    fn schedules() {
        for schedule in
            ["* * * * *", "*/5 0-3 1,15 jan-mar MON", "@daily", "@every 1h", "? ? ? ? ?"]
        {
            check(schedule, None);
        }
        check("often", Some("expected exactly 5 fields, found 1: [often]"));
        check("@often", Some("unrecognized descriptor: @often"));
        check("60 * * * *", Some("end of range (60) above maximum (59): 60"));
        check("* * 0 * *", Some("beginning of range (0) below minimum (1): 0"));
        check("*/0 * * * *", Some("step of range should be a positive number: */0"));
        check("5-1 * * * *", Some("beginning of range (5) beyond end of range (1): 5-1"));
        check("1-2-3 * * * *", Some("too many hyphens: 1-2-3"));
        check(
            "a * * * *",
            Some("failed to parse int from a: strconv.Atoi: parsing \"a\": invalid syntax"),
        );
    }
}
