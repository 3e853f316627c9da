"""Typed records, generated from schema/records by `lastmile-bindgen records`. Do not edit."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Iterable
from dataclasses import dataclass

from ._values import Date, Reader, Unchanged, changed, created, event

UNCHANGED = Unchanged.UNCHANGED


class PlaceLevel(enum.StrEnum):
    """Level, 层级."""

    CITY = "city"  # City, 市
    DISTRICT = "district"  # District, 区县
    STREET = "street"  # Street, 街道
    COMMUNITY = "community"  # Community, 社区
    VILLAGE = "village"  # Village, 村
    GRID = "grid"  # Grid, 网格


@dataclass(kw_only=True, repr=False)
class NewPlace:
    """A new record: Place, 区划."""

    code: str
    name: str
    level: PlaceLevel | str
    parent: str
    valid_from: Date | None = None
    valid_to: Date | None = None
    replaced_by: str | None = None
    households: int | None = None
    secretary: str | None = None

    def edit(self, *events):
        """The edit that makes it, with what happened to it at once."""
        return created("place", None, vars(self), events)


@dataclass(kw_only=True, repr=False)
class PlaceChange:
    """Changes of a record: Place, 区划. `None` clears a field."""

    name: str | None | Unchanged = UNCHANGED
    parent: str | None | Unchanged = UNCHANGED
    valid_from: Date | None | Unchanged = UNCHANGED
    valid_to: Date | None | Unchanged = UNCHANGED
    replaced_by: str | None | Unchanged = UNCHANGED
    households: int | None | Unchanged = UNCHANGED
    secretary: str | None | Unchanged = UNCHANGED

    def edit(self, id: str):
        """The edit that makes them."""
        return changed("place", id, vars(self), [])


class Place(Reader):
    """A stored record: Place, 区划."""

    record_type = "place"

    @property
    def code(self) -> str | None:
        """Code, 代码."""
        return self._text("code")

    @property
    def name(self) -> str | None:
        """Name, 名称."""
        return self._text("name")

    @property
    def level(self) -> PlaceLevel | str | None:
        """Level, 层级."""
        return self._choice("level", PlaceLevel)

    @property
    def parent(self) -> str | None:
        """Part of, 上级."""
        return self._text("parent")

    @property
    def valid_from(self) -> datetime.date | None:
        """Valid from, 启用日期."""
        return self._date("valid_from")

    @property
    def valid_to(self) -> datetime.date | None:
        """Valid to, 停用日期."""
        return self._date("valid_to")

    @property
    def replaced_by(self) -> str | None:
        """Replaced by, 由何代码取代."""
        return self._text("replaced_by")

    @property
    def households(self) -> int | None:
        """Households, 户数."""
        return self._number("households")

    @property
    def secretary(self) -> str | None:
        """Secretary, 书记."""
        return self._reference("secretary")


class OrgKind(enum.StrEnum):
    """Kind, 类别."""

    AGENCY = "agency"  # Agency, 机关
    INSTITUTION = "institution"  # Public institution, 事业单位
    STATE_ENTERPRISE = "state_enterprise"  # State enterprise, 国企
    NEW_ORG = "new_org"  # Private or social organisation, 两新组织
    SCHOOL = "school"  # School, 学校
    COMMUNITY_PARTY = "community_party"  # Community party organisation, 社区党组织
    OTHER = "other"  # Other, 其他


class OrgLevel(enum.StrEnum):
    """Level, 隶属层级."""

    CENTRAL = "central"  # Central, 中央驻地
    PROVINCE = "province"  # Province, 省直
    CITY = "city"  # City, 市直
    COUNTY = "county"  # County, 县直
    STREET = "street"  # Street, 街镇
    COMMUNITY = "community"  # Community, 社区


@dataclass(kw_only=True, repr=False)
class NewOrg:
    """A new record: Organisation, 单位."""

    name: str
    kind: OrgKind | str
    level: OrgLevel | str
    uscc: str | None = None
    short: str | None = None
    system: str | None = None
    parent: str | None = None
    liaison: str | None = None
    liaison_phone: str | None = None

    def edit(self, *events, id: str | None = None):
        """The edit that makes it, with what happened to it at once."""
        return created("org", id, vars(self), events)


@dataclass(kw_only=True, repr=False)
class OrgChange:
    """Changes of a record: Organisation, 单位. `None` clears a field."""

    name: str | None | Unchanged = UNCHANGED
    level: OrgLevel | str | None | Unchanged = UNCHANGED
    uscc: str | None | Unchanged = UNCHANGED
    short: str | None | Unchanged = UNCHANGED
    system: str | None | Unchanged = UNCHANGED
    parent: str | None | Unchanged = UNCHANGED
    liaison: str | None | Unchanged = UNCHANGED
    liaison_phone: str | None | Unchanged = UNCHANGED

    def edit(self, id: str):
        """The edit that makes them."""
        return changed("org", id, vars(self), [])


class Org(Reader):
    """A stored record: Organisation, 单位."""

    record_type = "org"

    @property
    def name(self) -> str | None:
        """Name, 名称."""
        return self._text("name")

    @property
    def kind(self) -> OrgKind | str | None:
        """Kind, 类别."""
        return self._choice("kind", OrgKind)

    @property
    def level(self) -> OrgLevel | str | None:
        """Level, 隶属层级."""
        return self._choice("level", OrgLevel)

    @property
    def uscc(self) -> str | None:
        """Unified social credit code, 统一社会信用代码."""
        return self._text("uscc")

    @property
    def short(self) -> str | None:
        """Short name, 简称."""
        return self._text("short")

    @property
    def system(self) -> str | None:
        """System, 系统."""
        return self._text("system")

    @property
    def parent(self) -> str | None:
        """Part of, 上级单位."""
        return self._reference("parent")

    @property
    def liaison(self) -> str | None:
        """Liaison, 联络员."""
        return self._text("liaison")

    @property
    def liaison_phone(self) -> str | None:
        """Liaison's phone, 联络员电话."""
        return self._text("liaison_phone")


class PersonSex(enum.StrEnum):
    """Sex, 性别."""

    UNKNOWN = "0"  # Unknown, 未知
    MALE = "1"  # Male, 男
    FEMALE = "2"  # Female, 女
    NOT_STATED = "9"  # Not stated, 未说明


class PersonPartyStatus(enum.StrEnum):
    """Political status, 政治面貌."""

    PARTY_MEMBER = "01"  # Party member, 中共党员
    PROBATIONARY_PARTY_MEMBER = "02"  # Probationary party member, 中共预备党员
    YOUTH_LEAGUE_MEMBER = "03"  # Youth League member, 共青团员
    REVOLUTIONARY_COMMITTEE_OF_THE_KUOMINTANG = "04"  # Revolutionary Committee of the Kuomintang, 民革党员
    DEMOCRATIC_LEAGUE = "05"  # Democratic League, 民盟盟员
    NATIONAL_CONSTRUCTION_ASSOCIATION = "06"  # National Construction Association, 民建会员
    ASSOCIATION_FOR_PROMOTING_DEMOCRACY = "07"  # Association for Promoting Democracy, 民进会员
    PEASANTS_AND_WORKERS_DEMOCRATIC_PARTY = "08"  # Peasants' and Workers' Democratic Party, 农工党党员
    ZHI_GONG_PARTY = "09"  # Zhi Gong Party, 致公党党员
    JIUSAN_SOCIETY = "10"  # Jiusan Society, 九三学社社员
    TAIWAN_DEMOCRATIC_SELF_GOVERNMENT_LEAGUE = "11"  # Taiwan Democratic Self-Government League, 台盟盟员
    WITHOUT_PARTY = "12"  # Without party, 无党派人士
    CITIZEN = "13"  # Citizen, 群众


class PersonAvailable(enum.StrEnum):
    """Available, 可服务时间."""

    WORKDAY = "workday"  # Workdays, 工作日白天
    EVENING = "evening"  # Evenings, 晚上
    WEEKEND = "weekend"  # Weekends, 周末
    HOLIDAY = "holiday"  # Holidays, 节假日
    ANY = "any"  # Any time, 随时


class PersonKind(enum.StrEnum):
    """Kind, 人员类别."""

    MEMBER = "member"  # Member, 在职党员
    VOLUNTEER = "volunteer"  # Volunteer, 志愿者
    WORKER = "worker"  # Community worker, 社区工作者


class PersonStatus(enum.StrEnum):
    """Status, 状态."""

    ACTIVE = "active"  # Active, 在职
    RETIRED = "retired"  # Retired, 退休
    LEFT = "left"  # Left, 转出
    DEAD = "dead"  # Dead, 去世


@dataclass(kw_only=True, repr=False)
class NewPerson:
    """A new record: Person, 人员."""

    name: str
    party_status: PersonPartyStatus | str
    kind: Iterable[PersonKind | str]
    sex: PersonSex | str | None = None
    birth_ym: str | None = None
    phone: Iterable[str] = ()
    id_no: str | None = None
    id_last4: str | None = None
    member_since: Date | None = None
    employer: str | None = None
    job: str | None = None
    skills: Iterable[str] = ()
    available: Iterable[PersonAvailable | str] = ()
    volunteer_no: str | None = None
    exempt_reason: str | None = None
    exempt_until: Date | None = None
    status: PersonStatus | str | None = None

    def edit(self, *events, id: str | None = None):
        """The edit that makes it, with what happened to it at once."""
        return created("person", id, vars(self), events)


@dataclass(kw_only=True, repr=False)
class PersonChange:
    """Changes of a record: Person, 人员. `None` clears a field."""

    name: str | None | Unchanged = UNCHANGED
    party_status: PersonPartyStatus | str | None | Unchanged = UNCHANGED
    add_kind: Iterable[PersonKind | str] = ()
    remove_kind: Iterable[PersonKind | str] = ()
    sex: PersonSex | str | None | Unchanged = UNCHANGED
    birth_ym: str | None | Unchanged = UNCHANGED
    add_phone: Iterable[str] = ()
    remove_phone: Iterable[str] = ()
    id_no: str | None | Unchanged = UNCHANGED
    id_last4: str | None | Unchanged = UNCHANGED
    member_since: Date | None | Unchanged = UNCHANGED
    employer: str | None | Unchanged = UNCHANGED
    job: str | None | Unchanged = UNCHANGED
    add_skills: Iterable[str] = ()
    remove_skills: Iterable[str] = ()
    add_available: Iterable[PersonAvailable | str] = ()
    remove_available: Iterable[PersonAvailable | str] = ()
    volunteer_no: str | None | Unchanged = UNCHANGED
    exempt_reason: str | None | Unchanged = UNCHANGED
    exempt_until: Date | None | Unchanged = UNCHANGED
    status: PersonStatus | str | None | Unchanged = UNCHANGED

    def edit(self, id: str):
        """The edit that makes them."""
        return changed("person", id, vars(self), ["kind", "phone", "skills", "available"])


class Person(Reader):
    """A stored record: Person, 人员."""

    record_type = "person"

    @property
    def name(self) -> str | None:
        """Name, 姓名."""
        return self._text("name")

    @property
    def party_status(self) -> PersonPartyStatus | str | None:
        """Political status, 政治面貌."""
        return self._choice("party_status", PersonPartyStatus)

    @property
    def kind(self) -> list[PersonKind | str]:
        """Kind, 人员类别."""
        return self._choices("kind", PersonKind)

    @property
    def sex(self) -> PersonSex | str | None:
        """Sex, 性别."""
        return self._choice("sex", PersonSex)

    @property
    def birth_ym(self) -> str | None:
        """Month of birth, 出生年月."""
        return self._text("birth_ym")

    @property
    def phone(self) -> list[str]:
        """Phone, 电话."""
        return self._elements("phone")

    @property
    def id_last4(self) -> str | None:
        """Id number, last four, 身份证号后四位."""
        return self._text("id_last4")

    @property
    def member_since(self) -> datetime.date | None:
        """Member since, 入党日期."""
        return self._date("member_since")

    @property
    def employer(self) -> str | None:
        """Employer, 工作单位."""
        return self._reference("employer")

    @property
    def job(self) -> str | None:
        """Job, 职务."""
        return self._text("job")

    @property
    def skills(self) -> list[str]:
        """Skills, 特长."""
        return self._elements("skills")

    @property
    def available(self) -> list[PersonAvailable | str]:
        """Available, 可服务时间."""
        return self._choices("available", PersonAvailable)

    @property
    def volunteer_no(self) -> str | None:
        """Volunteer number, 志愿者编号."""
        return self._text("volunteer_no")

    @property
    def exempt_reason(self) -> str | None:
        """Exempt because, 免服务原因."""
        return self._text("exempt_reason")

    @property
    def exempt_until(self) -> datetime.date | None:
        """Exempt until, 免服务至."""
        return self._date("exempt_until")

    @property
    def status(self) -> PersonStatus | str | None:
        """Status, 状态."""
        return self._choice("status", PersonStatus)


def consent_person(id: str, *, version: Date, on: Date | None = None, why: Date | None = None):
    """Consents, 同意."""
    return event("person", id, "consent", version=version, on=on, why=why)


def withdraw_consent_person(id: str, *, on: Date | None = None, why: Date | None = None):
    """Withdraws consent, 撤回同意."""
    return event("person", id, "withdraw_consent", on=on, why=why)


class CheckInBasis(enum.StrEnum):
    """Basis, 报到依据."""

    RESIDENCE = "residence"  # Residence, 居住地
    PAIRING = "pairing"  # Employer's paired community, 单位结对社区


class CheckInIntents(enum.StrEnum):
    """Wants to help with, 服务意向."""

    ENVIRONMENT = "environment"  # Environment, 环保清洁
    ELDERLY = "elderly"  # Elderly care, 关爱老人
    CHILDREN = "children"  # Child care, 关爱儿童
    DISABILITY = "disability"  # Disability and hardship, 扶残助困
    TUTORING = "tutoring"  # Tutoring, 课业辅导
    COUNSELLING = "counselling"  # Counselling, 心理辅导
    CULTURE = "culture"  # Culture, 文化宣传
    ORDER = "order"  # Order and traffic, 治安交通
    OUTREACH = "outreach"  # Safety and policy, 安全与政策宣讲
    HEALTH = "health"  # Health, 健康服务
    EMPLOYMENT = "employment"  # Employment, 就业培训
    REPAIR = "repair"  # Repairs, 便民维修
    OTHER = "other"  # Other, 其他


@dataclass(kw_only=True, repr=False)
class NewCheckIn:
    """A new record: Check-in, 报到."""

    person: str
    community: str
    basis: CheckInBasis | str | None = None
    employer_at_time: str | None = None
    address_building: str | None = None
    intents: Iterable[CheckInIntents | str] = ()
    grid: str | None = None

    def edit(self, *events):
        """The edit that makes it, with what happened to it at once."""
        return created("check_in", None, vars(self), events)


@dataclass(kw_only=True, repr=False)
class CheckInChange:
    """Changes of a record: Check-in, 报到. `None` clears a field."""

    basis: CheckInBasis | str | None | Unchanged = UNCHANGED
    employer_at_time: str | None | Unchanged = UNCHANGED
    address_building: str | None | Unchanged = UNCHANGED
    add_intents: Iterable[CheckInIntents | str] = ()
    remove_intents: Iterable[CheckInIntents | str] = ()
    grid: str | None | Unchanged = UNCHANGED

    def edit(self, id: str):
        """The edit that makes them."""
        return changed("check_in", id, vars(self), ["intents"])


class CheckIn(Reader):
    """A stored record: Check-in, 报到."""

    record_type = "check_in"

    @property
    def state(self) -> str | None:
        """The state."""
        return self.stored.state

    @property
    def person(self) -> str | None:
        """Person, 人员."""
        return self._reference("person")

    @property
    def community(self) -> str | None:
        """Community, 社区."""
        return self._text("community")

    @property
    def basis(self) -> CheckInBasis | str | None:
        """Basis, 报到依据."""
        return self._choice("basis", CheckInBasis)

    @property
    def employer_at_time(self) -> str | None:
        """Employer at the time, 报到时单位."""
        return self._reference("employer_at_time")

    @property
    def address_building(self) -> str | None:
        """Building, 楼栋."""
        return self._text("address_building")

    @property
    def intents(self) -> list[CheckInIntents | str]:
        """Wants to help with, 服务意向."""
        return self._choices("intents", CheckInIntents)

    @property
    def grid(self) -> str | None:
        """Grid, 网格."""
        return self._text("grid")


def register_check_in(id: str, *, on: Date | None = None, why: Date | None = None):
    """Register, 登记."""
    return event("check_in", id, "register", on=on, why=why)


def confirm_check_in(id: str, *, on: Date, why: Date | None = None):
    """Confirm, 确认."""
    return event("check_in", id, "confirm", on=on, why=why)


def return_check_in(id: str, *, why: Date, on: Date | None = None):
    """Return, 退回."""
    return event("check_in", id, "return", why=why, on=on)


def move_out_check_in(id: str, *, on: Date, to: Date, why: Date | None = None):
    """Move out, 迁出."""
    return event("check_in", id, "move_out", on=on, to=to, why=why)


def end_check_in(id: str, *, on: Date, why: Date):
    """End, 减少."""
    return event("check_in", id, "end", on=on, why=why)


def report_again_check_in(id: str, *, on: Date, why: Date | None = None, half: Date | None = None):
    """Report again, 复报."""
    return event("check_in", id, "report_again", on=on, why=why, half=half)


class ActivityCategory(enum.StrEnum):
    """Category, 类别."""

    ENVIRONMENT = "environment"  # Environment, 环保清洁
    ELDERLY = "elderly"  # Elderly care, 关爱老人
    CHILDREN = "children"  # Child care, 关爱儿童
    DISABILITY = "disability"  # Disability and hardship, 扶残助困
    TUTORING = "tutoring"  # Tutoring, 课业辅导
    COUNSELLING = "counselling"  # Counselling, 心理辅导
    CULTURE = "culture"  # Culture, 文化宣传
    ORDER = "order"  # Order and traffic, 治安交通
    OUTREACH = "outreach"  # Safety and policy, 安全与政策宣讲
    HEALTH = "health"  # Health, 健康服务
    EMPLOYMENT = "employment"  # Employment, 就业培训
    REPAIR = "repair"  # Repairs, 便民维修
    OTHER = "other"  # Other, 其他


class ActivityKind(enum.StrEnum):
    """Kind, 形式."""

    SERVICE = "service"  # Service, 服务
    LECTURE = "lecture"  # Lecture, 党课
    TRAINING = "training"  # Training, 培训
    CHECKUP = "checkup"  # Health check, 体检
    VISIT = "visit"  # Visit, 走访
    DONATION = "donation"  # Donation, 捐赠


class ActivityBeneficiaryGroups(enum.StrEnum):
    """Groups served, 服务对象."""

    ELDERLY = "elderly"  # Elderly, 老年人
    CHILDREN = "children"  # Children, 未成年人
    DISABLED = "disabled"  # Persons with disabilities, 残疾人
    HARDSHIP = "hardship"  # Households in hardship, 困难户
    JOBSEEKERS = "jobseekers"  # Jobseekers, 待业人员
    MIGRANTS = "migrants"  # Migrants, 流动人口
    RESIDENTS = "residents"  # Residents, 普通居民
    OTHER = "other"  # Other, 其他


@dataclass(kw_only=True, repr=False)
class NewActivity:
    """A new record: Activity, 活动."""

    title: str
    category: ActivityCategory | str
    date: Date
    tags: Iterable[str] = ()
    kind: ActivityKind | str | None = None
    start_time: datetime.time | str | None = None
    end_time: datetime.time | str | None = None
    venue: str | None = None
    host_team: str | None = None
    pairing: str | None = None
    project: str | None = None
    led_by: str | None = None
    beneficiaries: int | None = None
    beneficiary_groups: Iterable[ActivityBeneficiaryGroups | str] = ()
    note: str | None = None
    duplicate_of: str | None = None

    def edit(self, *events, id: str | None = None):
        """The edit that makes it, with what happened to it at once."""
        return created("activity", id, vars(self), events)


@dataclass(kw_only=True, repr=False)
class ActivityChange:
    """Changes of a record: Activity, 活动. `None` clears a field."""

    title: str | None | Unchanged = UNCHANGED
    category: ActivityCategory | str | None | Unchanged = UNCHANGED
    date: Date | None | Unchanged = UNCHANGED
    add_tags: Iterable[str] = ()
    remove_tags: Iterable[str] = ()
    kind: ActivityKind | str | None | Unchanged = UNCHANGED
    start_time: datetime.time | str | None | Unchanged = UNCHANGED
    end_time: datetime.time | str | None | Unchanged = UNCHANGED
    venue: str | None | Unchanged = UNCHANGED
    host_team: str | None | Unchanged = UNCHANGED
    pairing: str | None | Unchanged = UNCHANGED
    project: str | None | Unchanged = UNCHANGED
    led_by: str | None | Unchanged = UNCHANGED
    beneficiaries: int | None | Unchanged = UNCHANGED
    add_beneficiary_groups: Iterable[ActivityBeneficiaryGroups | str] = ()
    remove_beneficiary_groups: Iterable[ActivityBeneficiaryGroups | str] = ()
    note: str | None | Unchanged = UNCHANGED
    duplicate_of: str | None | Unchanged = UNCHANGED

    def edit(self, id: str):
        """The edit that makes them."""
        return changed("activity", id, vars(self), ["tags", "beneficiary_groups"])


class Activity(Reader):
    """A stored record: Activity, 活动."""

    record_type = "activity"

    @property
    def state(self) -> str | None:
        """The state."""
        return self.stored.state

    @property
    def title(self) -> str | None:
        """Title, 名称."""
        return self._text("title")

    @property
    def category(self) -> ActivityCategory | str | None:
        """Category, 类别."""
        return self._choice("category", ActivityCategory)

    @property
    def date(self) -> datetime.date | None:
        """Date, 日期."""
        return self._date("date")

    @property
    def tags(self) -> list[str]:
        """Tags, 标签."""
        return self._elements("tags")

    @property
    def kind(self) -> ActivityKind | str | None:
        """Kind, 形式."""
        return self._choice("kind", ActivityKind)

    @property
    def start_time(self) -> datetime.time | None:
        """Start, 开始时间."""
        return self._time("start_time")

    @property
    def end_time(self) -> datetime.time | None:
        """End, 结束时间."""
        return self._time("end_time")

    @property
    def venue(self) -> str | None:
        """Venue, 地点."""
        return self._text("venue")

    @property
    def host_team(self) -> str | None:
        """Host team, 承办队伍."""
        return self._reference("host_team")

    @property
    def pairing(self) -> str | None:
        """Pairing, 所属结对."""
        return self._reference("pairing")

    @property
    def project(self) -> str | None:
        """Project, 项目."""
        return self._text("project")

    @property
    def led_by(self) -> str | None:
        """Led by, 负责人."""
        return self._reference("led_by")

    @property
    def beneficiaries(self) -> int | None:
        """Persons served, 服务人次."""
        return self._number("beneficiaries")

    @property
    def beneficiary_groups(self) -> list[ActivityBeneficiaryGroups | str]:
        """Groups served, 服务对象."""
        return self._choices("beneficiary_groups", ActivityBeneficiaryGroups)

    @property
    def note(self) -> str | None:
        """Note, 备注."""
        return self._text("note")

    @property
    def duplicate_of(self) -> str | None:
        """Duplicate of, 与何活动重复."""
        return self._reference("duplicate_of")


def plan_activity(id: str, *, on: Date | None = None, why: Date | None = None):
    """Plan, 计划."""
    return event("activity", id, "plan", on=on, why=why)


def hold_activity(id: str, *, on: Date | None = None, why: Date | None = None):
    """Hold, 举办."""
    return event("activity", id, "hold", on=on, why=why)


def submit_activity(id: str, *, on: Date | None = None, why: Date | None = None):
    """Submit, 提交."""
    return event("activity", id, "submit", on=on, why=why)


def verify_activity(id: str, *, on: Date | None = None, why: Date | None = None):
    """Verify, 审核."""
    return event("activity", id, "verify", on=on, why=why)


def return_activity(id: str, *, why: Date, on: Date | None = None):
    """Return, 退回."""
    return event("activity", id, "return", why=why, on=on)


def cancel_activity(id: str, *, on: Date | None = None, why: Date | None = None):
    """Cancel, 取消."""
    return event("activity", id, "cancel", on=on, why=why)


def duplicate_activity(id: str, *, to: Date, on: Date | None = None, why: Date | None = None):
    """Mark as duplicate, 标记重复."""
    return event("activity", id, "duplicate", to=to, on=on, why=why)


def not_duplicate_activity(id: str, *, on: Date | None = None, why: Date | None = None):
    """Unmark as duplicate, 取消重复标记."""
    return event("activity", id, "not_duplicate", on=on, why=why)


def accept_activity(id: str, *, on: Date | None = None, why: Date | None = None):
    """Accept correction, 接受更正."""
    return event("activity", id, "accept", on=on, why=why)


def reject_activity(id: str, *, on: Date | None = None, why: Date | None = None):
    """Reject correction, 驳回更正."""
    return event("activity", id, "reject", on=on, why=why)


class ParticipationRole(enum.StrEnum):
    """Role, 角色."""

    LEADER = "leader"  # Leader, 领队
    PARTICIPANT = "participant"  # Participant, 参加


class ParticipationSource(enum.StrEnum):
    """Source, 来源."""

    QR = "qr"  # QR code, 扫码
    LIST = "list"  # List, 名单
    MANUAL = "manual"  # By hand, 手工
    LATE = "late"  # Added later, 补报


@dataclass(kw_only=True, repr=False)
class NewParticipation:
    """A new record: Participation, 参加."""

    activity: str
    person: str
    role: ParticipationRole | str | None = None
    minutes: int | None = None
    sign_in: datetime.time | str | None = None
    sign_out: datetime.time | str | None = None
    source: ParticipationSource | str | None = None
    attended: bool | None = None
    reviewer_note: str | None = None

    def edit(self, *events):
        """The edit that makes it, with what happened to it at once."""
        return created("participation", None, vars(self), events)


@dataclass(kw_only=True, repr=False)
class ParticipationChange:
    """Changes of a record: Participation, 参加. `None` clears a field."""

    role: ParticipationRole | str | None | Unchanged = UNCHANGED
    minutes: int | None | Unchanged = UNCHANGED
    sign_in: datetime.time | str | None | Unchanged = UNCHANGED
    sign_out: datetime.time | str | None | Unchanged = UNCHANGED
    source: ParticipationSource | str | None | Unchanged = UNCHANGED
    attended: bool | None | Unchanged = UNCHANGED
    reviewer_note: str | None | Unchanged = UNCHANGED

    def edit(self, id: str):
        """The edit that makes them."""
        return changed("participation", id, vars(self), [])


class Participation(Reader):
    """A stored record: Participation, 参加."""

    record_type = "participation"

    @property
    def activity(self) -> str | None:
        """Activity, 活动."""
        return self._reference("activity")

    @property
    def person(self) -> str | None:
        """Person, 人员."""
        return self._reference("person")

    @property
    def role(self) -> ParticipationRole | str | None:
        """Role, 角色."""
        return self._choice("role", ParticipationRole)

    @property
    def minutes(self) -> int | None:
        """Minutes, 时长（分钟）."""
        return self._number("minutes")

    @property
    def sign_in(self) -> datetime.time | None:
        """Signed in, 签到."""
        return self._time("sign_in")

    @property
    def sign_out(self) -> datetime.time | None:
        """Signed out, 签退."""
        return self._time("sign_out")

    @property
    def source(self) -> ParticipationSource | str | None:
        """Source, 来源."""
        return self._choice("source", ParticipationSource)

    @property
    def attended(self) -> bool | None:
        """Attended, 到场."""
        return self._flag("attended")

    @property
    def reviewer_note(self) -> str | None:
        """Reviewer's note, 审核备注."""
        return self._text("reviewer_note")


@dataclass(kw_only=True, repr=False)
class NewPairing:
    """A new record: Pairing, 结对."""

    org: str
    community: str
    batch: str
    from_date: Date
    to_date: Date | None = None
    agreement: Iterable[bytes] = ()
    contacts: Iterable[str] = ()

    def edit(self, *events, id: str | None = None):
        """The edit that makes it, with what happened to it at once."""
        return created("pairing", id, vars(self), events)


@dataclass(kw_only=True, repr=False)
class PairingChange:
    """Changes of a record: Pairing, 结对. `None` clears a field."""

    batch: str | None | Unchanged = UNCHANGED
    from_date: Date | None | Unchanged = UNCHANGED
    to_date: Date | None | Unchanged = UNCHANGED
    add_agreement: Iterable[bytes] = ()
    remove_agreement: Iterable[bytes] = ()
    add_contacts: Iterable[str] = ()
    remove_contacts: Iterable[str] = ()

    def edit(self, id: str):
        """The edit that makes them."""
        return changed("pairing", id, vars(self), ["agreement", "contacts"])


class Pairing(Reader):
    """A stored record: Pairing, 结对."""

    record_type = "pairing"

    @property
    def state(self) -> str | None:
        """The state."""
        return self.stored.state

    @property
    def org(self) -> str | None:
        """Organisation, 单位."""
        return self._reference("org")

    @property
    def community(self) -> str | None:
        """Community, 社区."""
        return self._text("community")

    @property
    def batch(self) -> str | None:
        """Batch, 批次."""
        return self._text("batch")

    @property
    def from_date(self) -> datetime.date | None:
        """From, 起始日期."""
        return self._date("from_date")

    @property
    def to_date(self) -> datetime.date | None:
        """To, 终止日期."""
        return self._date("to_date")

    @property
    def agreement(self) -> list[str]:
        """Agreement, 协议."""
        return self._elements("agreement")

    @property
    def contacts(self) -> list[str]:
        """Contacts, 联系人."""
        return self._elements("contacts")


def activate_pairing(id: str, *, on: Date | None = None, why: Date | None = None):
    """Activate, 启动."""
    return event("pairing", id, "activate", on=on, why=why)


def end_pairing(id: str, *, on: Date, why: Date | None = None):
    """End, 终止."""
    return event("pairing", id, "end", on=on, why=why)


def renew_pairing(id: str, *, on: Date, why: Date | None = None, until: Date | None = None):
    """Renew, 续签."""
    return event("pairing", id, "renew", on=on, why=why, until=until)


class TeamCategories(enum.StrEnum):
    """Categories, 服务类别."""

    ENVIRONMENT = "environment"  # Environment, 环保清洁
    ELDERLY = "elderly"  # Elderly care, 关爱老人
    CHILDREN = "children"  # Child care, 关爱儿童
    DISABILITY = "disability"  # Disability and hardship, 扶残助困
    TUTORING = "tutoring"  # Tutoring, 课业辅导
    COUNSELLING = "counselling"  # Counselling, 心理辅导
    CULTURE = "culture"  # Culture, 文化宣传
    ORDER = "order"  # Order and traffic, 治安交通
    OUTREACH = "outreach"  # Safety and policy, 安全与政策宣讲
    HEALTH = "health"  # Health, 健康服务
    EMPLOYMENT = "employment"  # Employment, 就业培训
    REPAIR = "repair"  # Repairs, 便民维修
    OTHER = "other"  # Other, 其他


@dataclass(kw_only=True, repr=False)
class NewTeam:
    """A new record: Team, 服务队."""

    name: str
    host: str
    leader: str | None = None
    members: Iterable[str] = ()
    categories: Iterable[TeamCategories | str] = ()
    programme: str | None = None
    founded: Date | None = None

    def edit(self, *events, id: str | None = None):
        """The edit that makes it, with what happened to it at once."""
        return created("team", id, vars(self), events)


@dataclass(kw_only=True, repr=False)
class TeamChange:
    """Changes of a record: Team, 服务队. `None` clears a field."""

    name: str | None | Unchanged = UNCHANGED
    leader: str | None | Unchanged = UNCHANGED
    add_members: Iterable[str] = ()
    remove_members: Iterable[str] = ()
    add_categories: Iterable[TeamCategories | str] = ()
    remove_categories: Iterable[TeamCategories | str] = ()
    programme: str | None | Unchanged = UNCHANGED
    founded: Date | None | Unchanged = UNCHANGED

    def edit(self, id: str):
        """The edit that makes them."""
        return changed("team", id, vars(self), ["members", "categories"])


class Team(Reader):
    """A stored record: Team, 服务队."""

    record_type = "team"

    @property
    def name(self) -> str | None:
        """Name, 名称."""
        return self._text("name")

    @property
    def host(self) -> str | None:
        """Host, 所属."""
        return self._reference("host")

    @property
    def leader(self) -> str | None:
        """Leader, 队长."""
        return self._reference("leader")

    @property
    def members(self) -> list[str]:
        """Members, 队员."""
        return self._elements("members")

    @property
    def categories(self) -> list[TeamCategories | str]:
        """Categories, 服务类别."""
        return self._choices("categories", TeamCategories)

    @property
    def programme(self) -> str | None:
        """Programme, 所属工程."""
        return self._text("programme")

    @property
    def founded(self) -> datetime.date | None:
        """Founded, 成立日期."""
        return self._date("founded")
