//! The catalogue of reports: codes, titles and definitions.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::words::{Lang, Words};

/// One report of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReportId {
    /// Members on the books: a stock on the period's last day.
    R1,
    /// Persons ever checked in: a flow up to the period's last day.
    R2,
    /// Sessions held.
    R4,
    /// Times somebody took part.
    R5,
    /// Persons who took part.
    R6,
    /// Times somebody was served.
    R7,
    /// Members who did what the year asks.
    R9,
    /// Communities and organisations with an active pairing.
    R10,
    /// Service teams.
    R12,
    /// Sessions by category.
    R13,
    /// Data quality and sync.
    R19,
}

impl ReportId {
    /// Every report, in the order of its number.
    pub const ALL: [Self; 11] = [
        Self::R1,
        Self::R2,
        Self::R4,
        Self::R5,
        Self::R6,
        Self::R7,
        Self::R9,
        Self::R10,
        Self::R12,
        Self::R13,
        Self::R19,
    ];

    /// Returns the code, e.g. `R10`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::R1 => "R1",
            Self::R2 => "R2",
            Self::R4 => "R4",
            Self::R5 => "R5",
            Self::R6 => "R6",
            Self::R7 => "R7",
            Self::R9 => "R9",
            Self::R10 => "R10",
            Self::R12 => "R12",
            Self::R13 => "R13",
            Self::R19 => "R19",
        }
    }

    /// Returns the title in both languages.
    #[must_use]
    pub const fn title_words(self) -> Words {
        match self {
            Self::R1 => Words::fixed("在册报到党员", "Members on the books"),
            Self::R2 => Words::fixed("累计报到", "Ever checked in"),
            Self::R4 => Words::fixed("活动场次", "Sessions"),
            Self::R5 => Words::fixed("参与人次", "Participations"),
            Self::R6 => Words::fixed("参与人数", "Participants"),
            Self::R7 => Words::fixed("服务群众人次", "Times residents were served"),
            Self::R9 => Words::fixed("年度达标率", "Yearly duty met"),
            Self::R10 => Words::fixed("结对覆盖率", "Pairing coverage"),
            Self::R12 => Words::fixed("服务队", "Service teams"),
            Self::R13 => Words::fixed("类别分布", "Sessions by category"),
            Self::R19 => Words::fixed("数据质量与同步", "Data quality and sync"),
        }
    }

    /// Returns the definition in both languages.
    #[must_use]
    pub const fn definition_words(self) -> Words {
        match self {
            Self::R1 => Words::fixed(
                "政治面貌为中共党员或预备党员（01、02），期末当日有已确认的报到，社区在范围内的人员；合并的人员计一次；同时在两处有效的，计入先确认的社区。含待审：另加已登记、尚未确认的人员。",
                "Distinct persons of political status 01 or 02 with a confirmed check-in that covers the period's last day, in a \
                 community of the scope. Linked persons count once; with two active check-ins a person counts in the community \
                 that confirmed earlier. With pending: also those registered and not yet confirmed.",
            ),
            Self::R2 => Words::fixed(
                "截至期末曾在范围内社区确认报到的人员，合并的人员计一次，迁出、减少的仍计。含待审：另加已登记、尚未确认的人员。",
                "Distinct persons ever confirmed in a community of the scope up to the period's last day, linked persons once, \
                 including those who have moved or left. With pending: also those registered and not yet confirmed.",
            ),
            Self::R4 => Words::fixed(
                "活动日期在期内、已审核、未取消、未标记重复的活动；合并的活动计一场；一场即一个日期、开始时间和地点。含待审：另加已提交待审核的活动。",
                "Verified activities dated in the period, neither cancelled nor marked as a duplicate, linked ones once; one \
                 session is one date, start and venue. With pending: also those submitted and waiting for verification.",
            ),
            Self::R5 => Words::fixed(
                "活动场次（R4）中到场的参加：合并后的活动与人员每对计一次，任一记录到场即到场。",
                "Attended participations in the sessions of R4: each pair of session and person once after linking, attended if \
                 any of its records says so.",
            ),
            Self::R6 => Words::fixed(
                "参与人次（R5）中的不同人员，合并的人员计一次；跨区域参加的人员在各区域各计一次，合计不重复计。",
                "Distinct persons among the participations of R5, linked persons once. Who took part in several areas counts in \
                 each of them and once in the total.",
            ),
            Self::R7 => Words::fixed(
                "活动场次（R4）所填服务人次之和；服务者不计，跨场次不去重；待核的数取当前显示值。",
                "Sum of the persons served as typed for the sessions of R4; helpers are not counted, nobody is deduplicated \
                 across sessions; while a number is open the value shown counts.",
            ),
            Self::R9 => Words::fixed(
                "分母：期末在册报到党员（R1）。分子：其中当年在全市任何地方到场的已审核活动场次不少于应参加次数的人员。应参加次数由方案规定：每年2次，7月1日后确认的1次。比率计入人员现在的社区，场次计入举办地。",
                "Of the members on the books at the period's end (R1), those who attended at least as many distinct verified \
                 sessions that year, anywhere in the city, as they owe: two a year, one if confirmed after 1 July, as the \
                 programme sets it. The rate belongs to the member's current community, the session to where it was held.",
            ),
            Self::R10 => Words::fixed(
                "期末有有效结对的目标社区占目标社区的比例；单位同理；按批次和层级分列。含待审：另加拟结对。",
                "Target communities with a pairing active on the period's last day out of all target communities, and \
                 organisations likewise; by batch and level. With pending: also proposed pairings.",
            ),
            Self::R12 => Words::fixed(
                "期末已登记的服务队；其中期内承办过至少一场活动（R4）的为活跃；队员按人去重；按系统分列。",
                "Teams registered by the period's last day; active are those that hosted at least one session of R4 in the \
                 period; members are distinct persons; by system.",
            ),
            Self::R13 => Words::fixed(
                "活动场次（R4）按主类别分布，各类之和等于R4；标签另列，一场可有多个标签。",
                "Sessions of R4 by their one main category, which add up to R4; tags are listed apart, a session may have \
                 several.",
            ),
            Self::R19 => Words::fixed(
                "设备及最后联系时间，等待、隔离、无法识别的修改，待核事项，疑似重复，补报，活动日期到记录建立的中位天数。",
                "Devices and their last contact, changes waiting, quarantined or not understood, open questions, likely \
                 duplicates, late entries, and the median days from an activity to its record.",
            ),
        }
    }

    /// Returns the title in one language.
    #[must_use]
    pub fn title(self, lang: Lang) -> String {
        self.title_words().get(lang).to_owned()
    }

    /// Returns the exact definition in one language.
    #[must_use]
    pub fn definition(self, lang: Lang) -> String {
        self.definition_words().get(lang).to_owned()
    }
}

impl fmt::Display for ReportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for ReportId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl FromStr for ReportId {
    type Err = UnknownReport;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|id| id.code().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownReport { text: text.chars().take(20).collect() })
    }
}

/// Says that a text names no report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no report; reports are R1, R2, R4, R5, R6, R7, R9, R10, R12, R13, R19")]
pub struct UnknownReport {
    /// The text as given, cut to 20 characters.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_report_has_words_in_both_languages() {
        for id in ReportId::ALL {
            assert_eq!(id.code().parse(), Ok(id));
            for lang in Lang::ALL {
                assert!(!id.title(lang).is_empty());
                assert!(id.definition(lang).chars().count() > 20, "{id}");
            }
            assert_ne!(id.title(Lang::Zh), id.title(Lang::En));
        }
        assert!("R99".parse::<ReportId>().is_err());
    }
}
