//! Names of months, weekdays and halves of the day, as exports write them in the languages their users speak.
//!
//! After the Unicode CLDR's wide and abbreviated forms (standing alone and in dates). A name that means different
//! months in different languages is left out (Croatian `lis` is October, Polish and Czech `lis` November: the
//! latter are kept and Croatian is not read), which a test checks.

/// Names by month, January first. Lower case, without a final full stop.
#[rustfmt::skip]
pub(super) const MONTHS: [&[&str]; 12] = [
    &[
        "january", "jan", "januar", "jän", "jänner", "janvier", "janv", "enero", "ene", "gennaio", "gen",
        "janeiro", "januari", "styczeń", "stycznia", "sty", "leden", "ledna", "led", "január", "ianuarie",
        "ian", "ocak", "oca", "tammikuu", "tammikuuta", "tammi", "январь", "января", "янв", "січень",
        "січня", "січ", "ιανουάριος", "ιανουαρίου", "ιαν", "一月",
    ],
    &[
        "february", "feb", "februar", "février", "févr", "fév", "fevr", "febrero", "febbraio", "fevereiro",
        "fev", "februari", "luty", "lutego", "lut", "únor", "února", "úno", "február", "febr", "februarie",
        "şubat", "şub", "helmikuu", "helmikuuta", "helmi", "февраль", "февраля", "фев", "февр", "лютий",
        "лютого", "лют", "φεβρουάριος", "φεβρουαρίου", "φεβ", "二月",
    ],
    &[
        "march", "mar", "märz", "mär", "mrz", "mars", "marzo", "março", "maart", "mrt", "marzec", "marca",
        "březen", "března", "bře", "marec", "március", "márc", "martie", "mart", "maaliskuu", "maaliskuuta",
        "maalis", "март", "марта", "мар", "березень", "березня", "бер", "μάρτιος", "μαρτίου", "μαρ", "三月",
    ],
    &[
        "april", "apr", "avril", "avr", "abril", "abr", "aprile", "kwiecień", "kwietnia", "kwi", "duben",
        "dubna", "dub", "apríl", "április", "ápr", "aprilie", "nisan", "nis", "huhtikuu", "huhtikuuta",
        "huhti", "апрель", "апреля", "апр", "квітень", "квітня", "кві", "квіт", "απρίλιος", "απριλίου",
        "απρ", "四月",
    ],
    &[
        "may", "mai", "mayo", "maggio", "mag", "maio", "mei", "maj", "maja", "květen", "května", "kvě",
        "máj", "mája", "május", "máj", "mayıs", "toukokuu", "toukokuuta", "touko", "май", "мая", "травень",
        "травня", "тра", "трав", "μάιος", "μαΐου", "μαϊ", "μαΐ", "五月",
    ],
    &[
        "june", "jun", "juni", "juin", "junio", "giugno", "giu", "junho", "czerwiec", "czerwca", "cze",
        "červen", "června", "čvn", "jún", "júna", "június", "iunie", "iun", "haziran", "haz", "kesäkuu",
        "kesäkuuta", "kesä", "июнь", "июня", "июн", "червень", "червня", "чер", "черв", "ιούνιος",
        "ιουνίου", "ιουν", "六月",
    ],
    &[
        "july", "jul", "juli", "juillet", "juil", "julio", "luglio", "lug", "julho", "lipiec", "lipca",
        "lip", "červenec", "července", "čvc", "júl", "júla", "július", "iulie", "iul", "temmuz", "tem",
        "heinäkuu", "heinäkuuta", "heinä", "июль", "июля", "июл", "липень", "липня", "лип", "ιούλιος",
        "ιουλίου", "ιουλ", "七月",
    ],
    &[
        "august", "aug", "août", "aout", "agosto", "ago", "augustus", "augusti", "sierpień", "sierpnia",
        "sie", "srpen", "srpna", "srp", "augusta", "augusztus", "ağustos", "ağu", "elokuu", "elokuuta",
        "elo", "август", "августа", "авг", "серпень", "серпня", "сер", "серп", "αύγουστος", "αυγούστου",
        "αυγ", "八月",
    ],
    &[
        "september", "sep", "sept", "septembre", "septiembre", "settembre", "set", "setembro", "wrzesień",
        "września", "wrz", "září", "zář", "szeptember", "szept", "septembrie", "eylül", "eyl", "syyskuu",
        "syyskuuta", "syys", "сентябрь", "сентября", "сен", "сент", "вересень", "вересня", "вер", "верес",
        "σεπτέμβριος", "σεπτεμβρίου", "σεπ", "σεπτ", "九月",
    ],
    &[
        "october", "oct", "oktober", "okt", "octobre", "octubre", "ottobre", "ott", "outubro", "out",
        "październik", "października", "paź", "říjen", "října", "říj", "október", "octombrie", "ekim",
        "eki", "lokakuu", "lokakuuta", "loka", "октябрь", "октября", "окт", "жовтень", "жовтня", "жов",
        "жовт", "οκτώβριος", "οκτωβρίου", "οκτ", "十月",
    ],
    &[
        "november", "nov", "novembre", "noviembre", "novembro", "listopad", "listopada", "listopadu", "lis",
        "noiembrie", "noi", "kasım", "kas", "marraskuu", "marraskuuta", "marras", "ноябрь", "ноября", "ноя",
        "нояб", "листопад", "листопада", "лис", "лист", "νοέμβριος", "νοεμβρίου", "νοε", "十一月",
    ],
    &[
        "december", "dec", "dezember", "dez", "décembre", "déc", "diciembre", "dic", "dicembre", "dezembro",
        "grudzień", "grudnia", "gru", "prosinec", "prosince", "pro", "desember", "des", "decembrie",
        "aralık", "ara", "joulukuu", "joulukuuta", "joulu", "декабрь", "декабря", "дек", "грудень",
        "грудня", "гру", "груд", "δεκέμβριος", "δεκεμβρίου", "δεκ", "十二月",
    ],
];

/// Markers of the first half of the day.
pub(super) const BEFORE_NOON: &[&str] = &[
    "am", "a.m", "a. m", "vorm", "vm", "f.m", "fm", "dop", "ap", "öö", "дп", "πμ", "π.μ", "上午", "午前",
    "오전",
];

/// Markers of the second half of the day.
pub(super) const AFTER_NOON: &[&str] = &[
    "pm", "p.m", "p. m", "nachm", "nm", "e.m", "em", "odp", "ip", "ös", "пп", "μμ", "μ.μ", "下午", "午後",
    "오후",
];

/// Words that may stand before a date or between its parts and say nothing of their own: articles, and weekdays,
/// since the date itself says which day it is.
#[rustfmt::skip]
pub(super) const FILLERS: &[&str] = &[
    "de", "del", "den", "der", "the", "of", "at", "um", "à", "a", "le", "el", "kl", "om", "г", "р", "st",
    "nd", "rd", "th", "uhr", "年", "月", "日", "년", "일", "monday", "mon", "tuesday", "tue", "tues",
    "wednesday", "wed", "thursday", "thu", "thurs", "friday", "fri", "saturday", "sat", "sunday", "sun",
    "montag", "mo", "dienstag", "di", "mittwoch", "mi", "donnerstag", "do", "freitag", "fr", "samstag",
    "sa", "sonntag", "so", "lundi", "lun", "mardi", "mercredi", "mer", "jeudi", "jeu", "vendredi", "ven",
    "samedi", "sam", "dimanche", "dim", "lunes", "martes", "miércoles", "mié", "jueves", "jue", "viernes",
    "vie", "sábado", "sáb", "domingo", "dom", "lunedì", "martedì", "mercoledì", "giovedì", "gio", "venerdì",
    "sabato", "sab", "domenica", "segunda", "terça", "quarta", "quinta", "sexta", "maandag", "ma",
    "dinsdag", "woensdag", "wo", "donderdag", "vrijdag", "vr", "zaterdag", "za", "zondag", "zo", "pon",
    "wt", "śr", "czw", "pt", "sob", "ndz",
];

/// Zone names that RFC 822 itself defines, with their offset in minutes. No other abbreviation is read: most of
/// them mean different zones in different places.
pub(super) const ZONES: &[(&str, i32)] = &[
    ("z", 0),
    ("ut", 0),
    ("utc", 0),
    ("gmt", 0),
    ("est", -300),
    ("edt", -240),
    ("cst", -360),
    ("cdt", -300),
    ("mst", -420),
    ("mdt", -360),
    ("pst", -480),
    ("pdt", -420),
];

/// The month (1 to 12) of this name.
pub(super) fn month(word: &str) -> Option<i8> {
    let word = word.to_lowercase();
    let word = word.trim_end_matches('.');
    let found = MONTHS.iter().position(|names| names.contains(&word))?;
    i8::try_from(found + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_means_two_months() {
        for (index, names) in MONTHS.iter().enumerate() {
            for name in *names {
                assert_eq!(*name, name.to_lowercase(), "{name} must be lower case");
                for (other, others) in MONTHS.iter().enumerate() {
                    assert!(index == other || !others.contains(name), "{name} is both {index} and {other}");
                }
            }
        }
    }

    #[test]
    fn no_marker_means_both_halves() {
        for marker in BEFORE_NOON {
            assert!(!AFTER_NOON.contains(marker), "{marker}");
        }
    }
}
