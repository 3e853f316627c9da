// Typed records, generated from schema/records by `lastmile-bindgen records`. Do not edit.

package lastmile

import java.time.LocalDate
import java.time.LocalTime
import java.time.YearMonth
import lastmile.core.NewEvent
import lastmile.core.RecordEdit
import lastmile.core.StoredRecord

/** Level, 层级. */
public enum class PlaceLevel(override val code: String) : Coded {
    /** City, 市. */
    CITY("city"),
    /** District, 区县. */
    DISTRICT("district"),
    /** Street, 街道. */
    STREET("street"),
    /** Community, 社区. */
    COMMUNITY("community"),
    /** Village, 村. */
    VILLAGE("village"),
    /** Grid, 网格. */
    GRID("grid");

    public companion object {
        /** The one with this code; `null` where this version does not know it. */
        public fun of(code: String): PlaceLevel? = entries.find { it.code == code }
    }
}

/** A new record: Place, 区划. */
public class NewPlace(
    public val code: String,
    public val name: String,
    public val level: PlaceLevel,
    public val parent: String,
    public val validFrom: LocalDate? = null,
    public val validTo: LocalDate? = null,
    public val replacedBy: String? = null,
    public val households: Long? = null,
    public val secretary: String? = null,
) {
    /** The edit that makes it, with what happened to it at once. */
    public fun edit(vararg events: NewEvent): RecordEdit =
        created("place", null, events) {
            given("code", code)
            given("name", name)
            given("level", level)
            given("parent", parent)
            given("valid_from", validFrom)
            given("valid_to", validTo)
            given("replaced_by", replacedBy)
            given("households", households)
            given("secretary", secretary)
        }
}

/** Changes of a record: Place, 区划. What is not named stays. */
public class PlaceChange internal constructor() : Changes("place") {
    /** Name, 名称; `null` clears it. */
    public var name: String? by field("name")

    /** Part of, 上级; `null` clears it. */
    public var parent: String? by field("parent")

    /** Valid from, 启用日期; `null` clears it. */
    public var validFrom: LocalDate? by field("valid_from")

    /** Valid to, 停用日期; `null` clears it. */
    public var validTo: LocalDate? by field("valid_to")

    /** Replaced by, 由何代码取代; `null` clears it. */
    public var replacedBy: String? by field("replaced_by")

    /** Households, 户数; `null` clears it. */
    public var households: Long? by field("households")

    /** Secretary, 书记; `null` clears it. */
    public var secretary: String? by field("secretary")

}

/** The edit that makes changes of a record: Place, 区划. */
public fun changePlace(id: String, changes: PlaceChange.() -> Unit): RecordEdit =
    PlaceChange().apply(changes).edit(id)

/** A stored record: Place, 区划. */
public class Place(public val stored: StoredRecord) {
    /** The id. */
    public val id: String get() = stored.id

    /** Code, 代码. */
    public val code: String? get() = stored.text("code")

    /** Name, 名称. */
    public val name: String? get() = stored.text("name")

    /** Level, 层级. */
    public val level: PlaceLevel? get() = stored.text("level")?.let(PlaceLevel::of)

    /** Part of, 上级. */
    public val parent: String? get() = stored.text("parent")

    /** Valid from, 启用日期. */
    public val validFrom: LocalDate? get() = stored.date("valid_from")

    /** Valid to, 停用日期. */
    public val validTo: LocalDate? get() = stored.date("valid_to")

    /** Replaced by, 由何代码取代. */
    public val replacedBy: String? get() = stored.text("replaced_by")

    /** Households, 户数. */
    public val households: Long? get() = stored.number("households")

    /** Secretary, 书记. */
    public val secretary: String? get() = stored.reference("secretary")
}

/** Reads one record: Place, 区划. */
public suspend fun Replica.place(id: String): Place = Place(record("place", id))

/** Kind, 类别. */
public enum class OrgKind(override val code: String) : Coded {
    /** Agency, 机关. */
    AGENCY("agency"),
    /** Public institution, 事业单位. */
    INSTITUTION("institution"),
    /** State enterprise, 国企. */
    STATE_ENTERPRISE("state_enterprise"),
    /** Private or social organisation, 两新组织. */
    NEW_ORG("new_org"),
    /** School, 学校. */
    SCHOOL("school"),
    /** Community party organisation, 社区党组织. */
    COMMUNITY_PARTY("community_party"),
    /** Other, 其他. */
    OTHER("other");

    public companion object {
        /** The one with this code; `null` where this version does not know it. */
        public fun of(code: String): OrgKind? = entries.find { it.code == code }
    }
}

/** Level, 隶属层级. */
public enum class OrgLevel(override val code: String) : Coded {
    /** Central, 中央驻地. */
    CENTRAL("central"),
    /** Province, 省直. */
    PROVINCE("province"),
    /** City, 市直. */
    CITY("city"),
    /** County, 县直. */
    COUNTY("county"),
    /** Street, 街镇. */
    STREET("street"),
    /** Community, 社区. */
    COMMUNITY("community");

    public companion object {
        /** The one with this code; `null` where this version does not know it. */
        public fun of(code: String): OrgLevel? = entries.find { it.code == code }
    }
}

/** A new record: Organisation, 单位. */
public class NewOrg(
    public val name: String,
    public val kind: OrgKind,
    public val level: OrgLevel,
    public val uscc: String? = null,
    public val short: String? = null,
    public val system: String? = null,
    public val parent: String? = null,
    public val liaison: String? = null,
    public val liaisonPhone: String? = null,
) {
    /** The edit that makes it, with what happened to it at once. */
    public fun edit(vararg events: NewEvent, id: String? = null): RecordEdit =
        created("org", id, events) {
            given("name", name)
            given("kind", kind)
            given("level", level)
            given("uscc", uscc)
            given("short", short)
            given("system", system)
            given("parent", parent)
            given("liaison", liaison)
            given("liaison_phone", liaisonPhone)
        }
}

/** Changes of a record: Organisation, 单位. What is not named stays. */
public class OrgChange internal constructor() : Changes("org") {
    /** Name, 名称; `null` clears it. */
    public var name: String? by field("name")

    /** Level, 隶属层级; `null` clears it. */
    public var level: OrgLevel? by field("level")

    /** Unified social credit code, 统一社会信用代码; `null` clears it. */
    public var uscc: String? by field("uscc")

    /** Short name, 简称; `null` clears it. */
    public var short: String? by field("short")

    /** System, 系统; `null` clears it. */
    public var system: String? by field("system")

    /** Part of, 上级单位; `null` clears it. */
    public var parent: String? by field("parent")

    /** Liaison, 联络员; `null` clears it. */
    public var liaison: String? by field("liaison")

    /** Liaison's phone, 联络员电话; `null` clears it. */
    public var liaisonPhone: String? by field("liaison_phone")

}

/** The edit that makes changes of a record: Organisation, 单位. */
public fun changeOrg(id: String, changes: OrgChange.() -> Unit): RecordEdit =
    OrgChange().apply(changes).edit(id)

/** A stored record: Organisation, 单位. */
public class Org(public val stored: StoredRecord) {
    /** The id. */
    public val id: String get() = stored.id

    /** Name, 名称. */
    public val name: String? get() = stored.text("name")

    /** Kind, 类别. */
    public val kind: OrgKind? get() = stored.text("kind")?.let(OrgKind::of)

    /** Level, 隶属层级. */
    public val level: OrgLevel? get() = stored.text("level")?.let(OrgLevel::of)

    /** Unified social credit code, 统一社会信用代码. */
    public val uscc: String? get() = stored.text("uscc")

    /** Short name, 简称. */
    public val short: String? get() = stored.text("short")

    /** System, 系统. */
    public val system: String? get() = stored.text("system")

    /** Part of, 上级单位. */
    public val parent: String? get() = stored.reference("parent")

    /** Liaison, 联络员. */
    public val liaison: String? get() = stored.text("liaison")

    /** Liaison's phone, 联络员电话. */
    public val liaisonPhone: String? get() = stored.text("liaison_phone")
}

/** Reads one record: Organisation, 单位. */
public suspend fun Replica.org(id: String): Org = Org(record("org", id))

/** Sex, 性别. */
public enum class PersonSex(override val code: String) : Coded {
    /** Unknown, 未知. */
    UNKNOWN("0"),
    /** Male, 男. */
    MALE("1"),
    /** Female, 女. */
    FEMALE("2"),
    /** Not stated, 未说明. */
    NOT_STATED("9");

    public companion object {
        /** The one with this code; `null` where this version does not know it. */
        public fun of(code: String): PersonSex? = entries.find { it.code == code }
    }
}

/** Political status, 政治面貌. */
public enum class PersonPartyStatus(override val code: String) : Coded {
    /** Party member, 中共党员. */
    PARTY_MEMBER("01"),
    /** Probationary party member, 中共预备党员. */
    PROBATIONARY_PARTY_MEMBER("02"),
    /** Youth League member, 共青团员. */
    YOUTH_LEAGUE_MEMBER("03"),
    /** Revolutionary Committee of the Kuomintang, 民革党员. */
    REVOLUTIONARY_COMMITTEE_OF_THE_KUOMINTANG("04"),
    /** Democratic League, 民盟盟员. */
    DEMOCRATIC_LEAGUE("05"),
    /** National Construction Association, 民建会员. */
    NATIONAL_CONSTRUCTION_ASSOCIATION("06"),
    /** Association for Promoting Democracy, 民进会员. */
    ASSOCIATION_FOR_PROMOTING_DEMOCRACY("07"),
    /** Peasants' and Workers' Democratic Party, 农工党党员. */
    PEASANTS_AND_WORKERS_DEMOCRATIC_PARTY("08"),
    /** Zhi Gong Party, 致公党党员. */
    ZHI_GONG_PARTY("09"),
    /** Jiusan Society, 九三学社社员. */
    JIUSAN_SOCIETY("10"),
    /** Taiwan Democratic Self-Government League, 台盟盟员. */
    TAIWAN_DEMOCRATIC_SELF_GOVERNMENT_LEAGUE("11"),
    /** Without party, 无党派人士. */
    WITHOUT_PARTY("12"),
    /** Citizen, 群众. */
    CITIZEN("13");

    public companion object {
        /** The one with this code; `null` where this version does not know it. */
        public fun of(code: String): PersonPartyStatus? = entries.find { it.code == code }
    }
}

/** Available, 可服务时间. */
public enum class PersonAvailable(override val code: String) : Coded {
    /** Workdays, 工作日白天. */
    WORKDAY("workday"),
    /** Evenings, 晚上. */
    EVENING("evening"),
    /** Weekends, 周末. */
    WEEKEND("weekend"),
    /** Holidays, 节假日. */
    HOLIDAY("holiday"),
    /** Any time, 随时. */
    ANY("any");

    public companion object {
        /** The one with this code; `null` where this version does not know it. */
        public fun of(code: String): PersonAvailable? = entries.find { it.code == code }
    }
}

/** Kind, 人员类别. */
public enum class PersonKind(override val code: String) : Coded {
    /** Member, 在职党员. */
    MEMBER("member"),
    /** Volunteer, 志愿者. */
    VOLUNTEER("volunteer"),
    /** Community worker, 社区工作者. */
    WORKER("worker");

    public companion object {
        /** The one with this code; `null` where this version does not know it. */
        public fun of(code: String): PersonKind? = entries.find { it.code == code }
    }
}

/** Status, 状态. */
public enum class PersonStatus(override val code: String) : Coded {
    /** Active, 在职. */
    ACTIVE("active"),
    /** Retired, 退休. */
    RETIRED("retired"),
    /** Left, 转出. */
    LEFT("left"),
    /** Dead, 去世. */
    DEAD("dead");

    public companion object {
        /** The one with this code; `null` where this version does not know it. */
        public fun of(code: String): PersonStatus? = entries.find { it.code == code }
    }
}

/** A new record: Person, 人员. */
public class NewPerson(
    public val name: String,
    public val partyStatus: PersonPartyStatus,
    public val kind: Set<PersonKind>,
    public val sex: PersonSex? = null,
    public val birthYm: YearMonth? = null,
    public val phone: Set<String> = emptySet(),
    public val idNo: String? = null,
    public val idLast4: String? = null,
    public val memberSince: LocalDate? = null,
    public val employer: String? = null,
    public val job: String? = null,
    public val skills: Set<String> = emptySet(),
    public val available: Set<PersonAvailable> = emptySet(),
    public val volunteerNo: String? = null,
    public val exemptReason: String? = null,
    public val exemptUntil: LocalDate? = null,
    public val status: PersonStatus? = null,
) {
    /** The edit that makes it, with what happened to it at once. */
    public fun edit(vararg events: NewEvent, id: String? = null): RecordEdit =
        created("person", id, events) {
            given("name", name)
            given("party_status", partyStatus)
            given("kind", kind)
            given("sex", sex)
            given("birth_ym", birthYm)
            given("phone", phone)
            given("id_no", idNo)
            given("id_last4", idLast4)
            given("member_since", memberSince)
            given("employer", employer)
            given("job", job)
            given("skills", skills)
            given("available", available)
            given("volunteer_no", volunteerNo)
            given("exempt_reason", exemptReason)
            given("exempt_until", exemptUntil)
            given("status", status)
        }
}

/** Changes of a record: Person, 人员. What is not named stays. */
public class PersonChange internal constructor() : Changes("person") {
    /** Name, 姓名; `null` clears it. */
    public var name: String? by field("name")

    /** Political status, 政治面貌; `null` clears it. */
    public var partyStatus: PersonPartyStatus? by field("party_status")

    /** Kind, 人员类别. */
    public fun addKind(vararg elements: PersonKind): Unit = add("kind", elements.toList())

    /** Kind, 人员类别. */
    public fun removeKind(vararg elements: PersonKind): Unit = remove("kind", elements.toList())

    /** Sex, 性别; `null` clears it. */
    public var sex: PersonSex? by field("sex")

    /** Month of birth, 出生年月; `null` clears it. */
    public var birthYm: YearMonth? by field("birth_ym")

    /** Phone, 电话. */
    public fun addPhone(vararg elements: String): Unit = add("phone", elements.toList())

    /** Phone, 电话. */
    public fun removePhone(vararg elements: String): Unit = remove("phone", elements.toList())

    /** Id number, 身份证号; `null` clears it. */
    public var idNo: String? by field("id_no")

    /** Id number, last four, 身份证号后四位; `null` clears it. */
    public var idLast4: String? by field("id_last4")

    /** Member since, 入党日期; `null` clears it. */
    public var memberSince: LocalDate? by field("member_since")

    /** Employer, 工作单位; `null` clears it. */
    public var employer: String? by field("employer")

    /** Job, 职务; `null` clears it. */
    public var job: String? by field("job")

    /** Skills, 特长. */
    public fun addSkills(vararg elements: String): Unit = add("skills", elements.toList())

    /** Skills, 特长. */
    public fun removeSkills(vararg elements: String): Unit = remove("skills", elements.toList())

    /** Available, 可服务时间. */
    public fun addAvailable(vararg elements: PersonAvailable): Unit = add("available", elements.toList())

    /** Available, 可服务时间. */
    public fun removeAvailable(vararg elements: PersonAvailable): Unit = remove("available", elements.toList())

    /** Volunteer number, 志愿者编号; `null` clears it. */
    public var volunteerNo: String? by field("volunteer_no")

    /** Exempt because, 免服务原因; `null` clears it. */
    public var exemptReason: String? by field("exempt_reason")

    /** Exempt until, 免服务至; `null` clears it. */
    public var exemptUntil: LocalDate? by field("exempt_until")

    /** Status, 状态; `null` clears it. */
    public var status: PersonStatus? by field("status")

}

/** The edit that makes changes of a record: Person, 人员. */
public fun changePerson(id: String, changes: PersonChange.() -> Unit): RecordEdit =
    PersonChange().apply(changes).edit(id)

/** A stored record: Person, 人员. */
public class Person(public val stored: StoredRecord) {
    /** The id. */
    public val id: String get() = stored.id

    /** Name, 姓名. */
    public val name: String? get() = stored.text("name")

    /** Political status, 政治面貌. */
    public val partyStatus: PersonPartyStatus? get() = stored.text("party_status")?.let(PersonPartyStatus::of)

    /** Kind, 人员类别. */
    public val kind: Set<PersonKind> get() = stored.elements("kind").mapNotNull(PersonKind::of).toSet()

    /** Sex, 性别. */
    public val sex: PersonSex? get() = stored.text("sex")?.let(PersonSex::of)

    /** Month of birth, 出生年月. */
    public val birthYm: YearMonth? get() = stored.month("birth_ym")

    /** Phone, 电话. */
    public val phone: Set<String> get() = stored.elements("phone").toSet()

    /** Id number, last four, 身份证号后四位. */
    public val idLast4: String? get() = stored.text("id_last4")

    /** Member since, 入党日期. */
    public val memberSince: LocalDate? get() = stored.date("member_since")

    /** Employer, 工作单位. */
    public val employer: String? get() = stored.reference("employer")

    /** Job, 职务. */
    public val job: String? get() = stored.text("job")

    /** Skills, 特长. */
    public val skills: Set<String> get() = stored.elements("skills").toSet()

    /** Available, 可服务时间. */
    public val available: Set<PersonAvailable> get() = stored.elements("available").mapNotNull(PersonAvailable::of).toSet()

    /** Volunteer number, 志愿者编号. */
    public val volunteerNo: String? get() = stored.text("volunteer_no")

    /** Exempt because, 免服务原因. */
    public val exemptReason: String? get() = stored.text("exempt_reason")

    /** Exempt until, 免服务至. */
    public val exemptUntil: LocalDate? get() = stored.date("exempt_until")

    /** Status, 状态. */
    public val status: PersonStatus? get() = stored.text("status")?.let(PersonStatus::of)
}

/** Reads one record: Person, 人员. */
public suspend fun Replica.person(id: String): Person = Person(record("person", id))

/** Consents, 同意. */
public fun consentPerson(id: String, version: String, on: String? = null, why: String? = null): RecordEdit =
    happened("person", id, "consent", "version" to version, "on" to on, "why" to why)

/** Withdraws consent, 撤回同意. */
public fun withdrawConsentPerson(id: String, on: String? = null, why: String? = null): RecordEdit =
    happened("person", id, "withdraw_consent", "on" to on, "why" to why)

/** Basis, 报到依据. */
public enum class CheckInBasis(override val code: String) : Coded {
    /** Residence, 居住地. */
    RESIDENCE("residence"),
    /** Employer's paired community, 单位结对社区. */
    PAIRING("pairing");

    public companion object {
        /** The one with this code; `null` where this version does not know it. */
        public fun of(code: String): CheckInBasis? = entries.find { it.code == code }
    }
}

/** Wants to help with, 服务意向. */
public enum class CheckInIntents(override val code: String) : Coded {
    /** Environment, 环保清洁. */
    ENVIRONMENT("environment"),
    /** Elderly care, 关爱老人. */
    ELDERLY("elderly"),
    /** Child care, 关爱儿童. */
    CHILDREN("children"),
    /** Disability and hardship, 扶残助困. */
    DISABILITY("disability"),
    /** Tutoring, 课业辅导. */
    TUTORING("tutoring"),
    /** Counselling, 心理辅导. */
    COUNSELLING("counselling"),
    /** Culture, 文化宣传. */
    CULTURE("culture"),
    /** Order and traffic, 治安交通. */
    ORDER("order"),
    /** Safety and policy, 安全与政策宣讲. */
    OUTREACH("outreach"),
    /** Health, 健康服务. */
    HEALTH("health"),
    /** Employment, 就业培训. */
    EMPLOYMENT("employment"),
    /** Repairs, 便民维修. */
    REPAIR("repair"),
    /** Other, 其他. */
    OTHER("other");

    public companion object {
        /** The one with this code; `null` where this version does not know it. */
        public fun of(code: String): CheckInIntents? = entries.find { it.code == code }
    }
}

/** A new record: Check-in, 报到. */
public class NewCheckIn(
    public val person: String,
    public val community: String,
    public val basis: CheckInBasis? = null,
    public val employerAtTime: String? = null,
    public val addressBuilding: String? = null,
    public val intents: Set<CheckInIntents> = emptySet(),
    public val grid: String? = null,
) {
    /** The edit that makes it, with what happened to it at once. */
    public fun edit(vararg events: NewEvent): RecordEdit =
        created("check_in", null, events) {
            given("person", person)
            given("community", community)
            given("basis", basis)
            given("employer_at_time", employerAtTime)
            given("address_building", addressBuilding)
            given("intents", intents)
            given("grid", grid)
        }
}

/** Changes of a record: Check-in, 报到. What is not named stays. */
public class CheckInChange internal constructor() : Changes("check_in") {
    /** Basis, 报到依据; `null` clears it. */
    public var basis: CheckInBasis? by field("basis")

    /** Employer at the time, 报到时单位; `null` clears it. */
    public var employerAtTime: String? by field("employer_at_time")

    /** Building, 楼栋; `null` clears it. */
    public var addressBuilding: String? by field("address_building")

    /** Wants to help with, 服务意向. */
    public fun addIntents(vararg elements: CheckInIntents): Unit = add("intents", elements.toList())

    /** Wants to help with, 服务意向. */
    public fun removeIntents(vararg elements: CheckInIntents): Unit = remove("intents", elements.toList())

    /** Grid, 网格; `null` clears it. */
    public var grid: String? by field("grid")

}

/** The edit that makes changes of a record: Check-in, 报到. */
public fun changeCheckIn(id: String, changes: CheckInChange.() -> Unit): RecordEdit =
    CheckInChange().apply(changes).edit(id)

/** A stored record: Check-in, 报到. */
public class CheckIn(public val stored: StoredRecord) {
    /** The id. */
    public val id: String get() = stored.id

    /** The state. */
    public val state: String? get() = stored.state

    /** Person, 人员. */
    public val person: String? get() = stored.reference("person")

    /** Community, 社区. */
    public val community: String? get() = stored.text("community")

    /** Basis, 报到依据. */
    public val basis: CheckInBasis? get() = stored.text("basis")?.let(CheckInBasis::of)

    /** Employer at the time, 报到时单位. */
    public val employerAtTime: String? get() = stored.reference("employer_at_time")

    /** Building, 楼栋. */
    public val addressBuilding: String? get() = stored.text("address_building")

    /** Wants to help with, 服务意向. */
    public val intents: Set<CheckInIntents> get() = stored.elements("intents").mapNotNull(CheckInIntents::of).toSet()

    /** Grid, 网格. */
    public val grid: String? get() = stored.text("grid")
}

/** Reads one record: Check-in, 报到. */
public suspend fun Replica.checkIn(id: String): CheckIn = CheckIn(record("check_in", id))

/** Register, 登记. */
public fun registerCheckIn(id: String, on: String? = null, why: String? = null): RecordEdit =
    happened("check_in", id, "register", "on" to on, "why" to why)

/** Confirm, 确认. */
public fun confirmCheckIn(id: String, on: String, why: String? = null): RecordEdit =
    happened("check_in", id, "confirm", "on" to on, "why" to why)

/** Return, 退回. */
public fun returnCheckIn(id: String, why: String, on: String? = null): RecordEdit =
    happened("check_in", id, "return", "why" to why, "on" to on)

/** Move out, 迁出. */
public fun moveOutCheckIn(id: String, on: String, to: String, why: String? = null): RecordEdit =
    happened("check_in", id, "move_out", "on" to on, "to" to to, "why" to why)

/** End, 减少. */
public fun endCheckIn(id: String, on: String, why: String): RecordEdit =
    happened("check_in", id, "end", "on" to on, "why" to why)

/** Report again, 复报. */
public fun reportAgainCheckIn(id: String, on: String, why: String? = null, half: String? = null): RecordEdit =
    happened("check_in", id, "report_again", "on" to on, "why" to why, "half" to half)

/** Category, 类别. */
public enum class ActivityCategory(override val code: String) : Coded {
    /** Environment, 环保清洁. */
    ENVIRONMENT("environment"),
    /** Elderly care, 关爱老人. */
    ELDERLY("elderly"),
    /** Child care, 关爱儿童. */
    CHILDREN("children"),
    /** Disability and hardship, 扶残助困. */
    DISABILITY("disability"),
    /** Tutoring, 课业辅导. */
    TUTORING("tutoring"),
    /** Counselling, 心理辅导. */
    COUNSELLING("counselling"),
    /** Culture, 文化宣传. */
    CULTURE("culture"),
    /** Order and traffic, 治安交通. */
    ORDER("order"),
    /** Safety and policy, 安全与政策宣讲. */
    OUTREACH("outreach"),
    /** Health, 健康服务. */
    HEALTH("health"),
    /** Employment, 就业培训. */
    EMPLOYMENT("employment"),
    /** Repairs, 便民维修. */
    REPAIR("repair"),
    /** Other, 其他. */
    OTHER("other");

    public companion object {
        /** The one with this code; `null` where this version does not know it. */
        public fun of(code: String): ActivityCategory? = entries.find { it.code == code }
    }
}

/** Kind, 形式. */
public enum class ActivityKind(override val code: String) : Coded {
    /** Service, 服务. */
    SERVICE("service"),
    /** Lecture, 党课. */
    LECTURE("lecture"),
    /** Training, 培训. */
    TRAINING("training"),
    /** Health check, 体检. */
    CHECKUP("checkup"),
    /** Visit, 走访. */
    VISIT("visit"),
    /** Donation, 捐赠. */
    DONATION("donation");

    public companion object {
        /** The one with this code; `null` where this version does not know it. */
        public fun of(code: String): ActivityKind? = entries.find { it.code == code }
    }
}

/** Groups served, 服务对象. */
public enum class ActivityBeneficiaryGroups(override val code: String) : Coded {
    /** Elderly, 老年人. */
    ELDERLY("elderly"),
    /** Children, 未成年人. */
    CHILDREN("children"),
    /** Persons with disabilities, 残疾人. */
    DISABLED("disabled"),
    /** Households in hardship, 困难户. */
    HARDSHIP("hardship"),
    /** Jobseekers, 待业人员. */
    JOBSEEKERS("jobseekers"),
    /** Migrants, 流动人口. */
    MIGRANTS("migrants"),
    /** Residents, 普通居民. */
    RESIDENTS("residents"),
    /** Other, 其他. */
    OTHER("other");

    public companion object {
        /** The one with this code; `null` where this version does not know it. */
        public fun of(code: String): ActivityBeneficiaryGroups? = entries.find { it.code == code }
    }
}

/** A new record: Activity, 活动. */
public class NewActivity(
    public val title: String,
    public val category: ActivityCategory,
    public val date: LocalDate,
    public val tags: Set<String> = emptySet(),
    public val kind: ActivityKind? = null,
    public val startTime: LocalTime? = null,
    public val endTime: LocalTime? = null,
    public val venue: String? = null,
    public val hostTeam: String? = null,
    public val pairing: String? = null,
    public val project: String? = null,
    public val ledBy: String? = null,
    public val beneficiaries: Long? = null,
    public val beneficiaryGroups: Set<ActivityBeneficiaryGroups> = emptySet(),
    public val note: String? = null,
    public val duplicateOf: String? = null,
) {
    /** The edit that makes it, with what happened to it at once. */
    public fun edit(vararg events: NewEvent, id: String? = null): RecordEdit =
        created("activity", id, events) {
            given("title", title)
            given("category", category)
            given("date", date)
            given("tags", tags)
            given("kind", kind)
            given("start_time", startTime)
            given("end_time", endTime)
            given("venue", venue)
            given("host_team", hostTeam)
            given("pairing", pairing)
            given("project", project)
            given("led_by", ledBy)
            given("beneficiaries", beneficiaries)
            given("beneficiary_groups", beneficiaryGroups)
            given("note", note)
            given("duplicate_of", duplicateOf)
        }
}

/** Changes of a record: Activity, 活动. What is not named stays. */
public class ActivityChange internal constructor() : Changes("activity") {
    /** Title, 名称; `null` clears it. */
    public var title: String? by field("title")

    /** Category, 类别; `null` clears it. */
    public var category: ActivityCategory? by field("category")

    /** Date, 日期; `null` clears it. */
    public var date: LocalDate? by field("date")

    /** Tags, 标签. */
    public fun addTags(vararg elements: String): Unit = add("tags", elements.toList())

    /** Tags, 标签. */
    public fun removeTags(vararg elements: String): Unit = remove("tags", elements.toList())

    /** Kind, 形式; `null` clears it. */
    public var kind: ActivityKind? by field("kind")

    /** Start, 开始时间; `null` clears it. */
    public var startTime: LocalTime? by field("start_time")

    /** End, 结束时间; `null` clears it. */
    public var endTime: LocalTime? by field("end_time")

    /** Venue, 地点; `null` clears it. */
    public var venue: String? by field("venue")

    /** Host team, 承办队伍; `null` clears it. */
    public var hostTeam: String? by field("host_team")

    /** Pairing, 所属结对; `null` clears it. */
    public var pairing: String? by field("pairing")

    /** Project, 项目; `null` clears it. */
    public var project: String? by field("project")

    /** Led by, 负责人; `null` clears it. */
    public var ledBy: String? by field("led_by")

    /** Persons served, 服务人次; `null` clears it. */
    public var beneficiaries: Long? by field("beneficiaries")

    /** Groups served, 服务对象. */
    public fun addBeneficiaryGroups(vararg elements: ActivityBeneficiaryGroups): Unit = add("beneficiary_groups", elements.toList())

    /** Groups served, 服务对象. */
    public fun removeBeneficiaryGroups(vararg elements: ActivityBeneficiaryGroups): Unit = remove("beneficiary_groups", elements.toList())

    /** Note, 备注; `null` clears it. */
    public var note: String? by field("note")

    /** Duplicate of, 与何活动重复; `null` clears it. */
    public var duplicateOf: String? by field("duplicate_of")

}

/** The edit that makes changes of a record: Activity, 活动. */
public fun changeActivity(id: String, changes: ActivityChange.() -> Unit): RecordEdit =
    ActivityChange().apply(changes).edit(id)

/** A stored record: Activity, 活动. */
public class Activity(public val stored: StoredRecord) {
    /** The id. */
    public val id: String get() = stored.id

    /** The state. */
    public val state: String? get() = stored.state

    /** Title, 名称. */
    public val title: String? get() = stored.text("title")

    /** Category, 类别. */
    public val category: ActivityCategory? get() = stored.text("category")?.let(ActivityCategory::of)

    /** Date, 日期. */
    public val date: LocalDate? get() = stored.date("date")

    /** Tags, 标签. */
    public val tags: Set<String> get() = stored.elements("tags").toSet()

    /** Kind, 形式. */
    public val kind: ActivityKind? get() = stored.text("kind")?.let(ActivityKind::of)

    /** Start, 开始时间. */
    public val startTime: LocalTime? get() = stored.time("start_time")

    /** End, 结束时间. */
    public val endTime: LocalTime? get() = stored.time("end_time")

    /** Venue, 地点. */
    public val venue: String? get() = stored.text("venue")

    /** Host team, 承办队伍. */
    public val hostTeam: String? get() = stored.reference("host_team")

    /** Pairing, 所属结对. */
    public val pairing: String? get() = stored.reference("pairing")

    /** Project, 项目. */
    public val project: String? get() = stored.text("project")

    /** Led by, 负责人. */
    public val ledBy: String? get() = stored.reference("led_by")

    /** Persons served, 服务人次. */
    public val beneficiaries: Long? get() = stored.number("beneficiaries")

    /** Groups served, 服务对象. */
    public val beneficiaryGroups: Set<ActivityBeneficiaryGroups> get() = stored.elements("beneficiary_groups").mapNotNull(ActivityBeneficiaryGroups::of).toSet()

    /** Note, 备注. */
    public val note: String? get() = stored.text("note")

    /** Duplicate of, 与何活动重复. */
    public val duplicateOf: String? get() = stored.reference("duplicate_of")
}

/** Reads one record: Activity, 活动. */
public suspend fun Replica.activity(id: String): Activity = Activity(record("activity", id))

/** Plan, 计划. */
public fun planActivity(id: String, on: String? = null, why: String? = null): RecordEdit =
    happened("activity", id, "plan", "on" to on, "why" to why)

/** Hold, 举办. */
public fun holdActivity(id: String, on: String? = null, why: String? = null): RecordEdit =
    happened("activity", id, "hold", "on" to on, "why" to why)

/** Submit, 提交. */
public fun submitActivity(id: String, on: String? = null, why: String? = null): RecordEdit =
    happened("activity", id, "submit", "on" to on, "why" to why)

/** Verify, 审核. */
public fun verifyActivity(id: String, on: String? = null, why: String? = null): RecordEdit =
    happened("activity", id, "verify", "on" to on, "why" to why)

/** Return, 退回. */
public fun returnActivity(id: String, why: String, on: String? = null): RecordEdit =
    happened("activity", id, "return", "why" to why, "on" to on)

/** Cancel, 取消. */
public fun cancelActivity(id: String, on: String? = null, why: String? = null): RecordEdit =
    happened("activity", id, "cancel", "on" to on, "why" to why)

/** Mark as duplicate, 标记重复. */
public fun duplicateActivity(id: String, to: String, on: String? = null, why: String? = null): RecordEdit =
    happened("activity", id, "duplicate", "to" to to, "on" to on, "why" to why)

/** Unmark as duplicate, 取消重复标记. */
public fun notDuplicateActivity(id: String, on: String? = null, why: String? = null): RecordEdit =
    happened("activity", id, "not_duplicate", "on" to on, "why" to why)

/** Accept correction, 接受更正. */
public fun acceptActivity(id: String, on: String? = null, why: String? = null): RecordEdit =
    happened("activity", id, "accept", "on" to on, "why" to why)

/** Reject correction, 驳回更正. */
public fun rejectActivity(id: String, on: String? = null, why: String? = null): RecordEdit =
    happened("activity", id, "reject", "on" to on, "why" to why)

/** Role, 角色. */
public enum class ParticipationRole(override val code: String) : Coded {
    /** Leader, 领队. */
    LEADER("leader"),
    /** Participant, 参加. */
    PARTICIPANT("participant");

    public companion object {
        /** The one with this code; `null` where this version does not know it. */
        public fun of(code: String): ParticipationRole? = entries.find { it.code == code }
    }
}

/** Source, 来源. */
public enum class ParticipationSource(override val code: String) : Coded {
    /** QR code, 扫码. */
    QR("qr"),
    /** List, 名单. */
    LIST("list"),
    /** By hand, 手工. */
    MANUAL("manual"),
    /** Added later, 补报. */
    LATE("late");

    public companion object {
        /** The one with this code; `null` where this version does not know it. */
        public fun of(code: String): ParticipationSource? = entries.find { it.code == code }
    }
}

/** A new record: Participation, 参加. */
public class NewParticipation(
    public val activity: String,
    public val person: String,
    public val role: ParticipationRole? = null,
    public val minutes: Long? = null,
    public val signIn: LocalTime? = null,
    public val signOut: LocalTime? = null,
    public val source: ParticipationSource? = null,
    public val attended: Boolean? = null,
    public val reviewerNote: String? = null,
) {
    /** The edit that makes it, with what happened to it at once. */
    public fun edit(vararg events: NewEvent): RecordEdit =
        created("participation", null, events) {
            given("activity", activity)
            given("person", person)
            given("role", role)
            given("minutes", minutes)
            given("sign_in", signIn)
            given("sign_out", signOut)
            given("source", source)
            given("attended", attended)
            given("reviewer_note", reviewerNote)
        }
}

/** Changes of a record: Participation, 参加. What is not named stays. */
public class ParticipationChange internal constructor() : Changes("participation") {
    /** Role, 角色; `null` clears it. */
    public var role: ParticipationRole? by field("role")

    /** Minutes, 时长（分钟）; `null` clears it. */
    public var minutes: Long? by field("minutes")

    /** Signed in, 签到; `null` clears it. */
    public var signIn: LocalTime? by field("sign_in")

    /** Signed out, 签退; `null` clears it. */
    public var signOut: LocalTime? by field("sign_out")

    /** Source, 来源; `null` clears it. */
    public var source: ParticipationSource? by field("source")

    /** Attended, 到场; `null` clears it. */
    public var attended: Boolean? by field("attended")

    /** Reviewer's note, 审核备注; `null` clears it. */
    public var reviewerNote: String? by field("reviewer_note")

}

/** The edit that makes changes of a record: Participation, 参加. */
public fun changeParticipation(id: String, changes: ParticipationChange.() -> Unit): RecordEdit =
    ParticipationChange().apply(changes).edit(id)

/** A stored record: Participation, 参加. */
public class Participation(public val stored: StoredRecord) {
    /** The id. */
    public val id: String get() = stored.id

    /** Activity, 活动. */
    public val activity: String? get() = stored.reference("activity")

    /** Person, 人员. */
    public val person: String? get() = stored.reference("person")

    /** Role, 角色. */
    public val role: ParticipationRole? get() = stored.text("role")?.let(ParticipationRole::of)

    /** Minutes, 时长（分钟）. */
    public val minutes: Long? get() = stored.number("minutes")

    /** Signed in, 签到. */
    public val signIn: LocalTime? get() = stored.time("sign_in")

    /** Signed out, 签退. */
    public val signOut: LocalTime? get() = stored.time("sign_out")

    /** Source, 来源. */
    public val source: ParticipationSource? get() = stored.text("source")?.let(ParticipationSource::of)

    /** Attended, 到场. */
    public val attended: Boolean? get() = stored.flag("attended")

    /** Reviewer's note, 审核备注. */
    public val reviewerNote: String? get() = stored.text("reviewer_note")
}

/** Reads one record: Participation, 参加. */
public suspend fun Replica.participation(id: String): Participation = Participation(record("participation", id))

/** A new record: Pairing, 结对. */
public class NewPairing(
    public val org: String,
    public val community: String,
    public val batch: String,
    public val fromDate: LocalDate,
    public val toDate: LocalDate? = null,
    public val agreement: Set<String> = emptySet(),
    public val contacts: Set<String> = emptySet(),
) {
    /** The edit that makes it, with what happened to it at once. */
    public fun edit(vararg events: NewEvent, id: String? = null): RecordEdit =
        created("pairing", id, events) {
            given("org", org)
            given("community", community)
            given("batch", batch)
            given("from_date", fromDate)
            given("to_date", toDate)
            given("agreement", agreement)
            given("contacts", contacts)
        }
}

/** Changes of a record: Pairing, 结对. What is not named stays. */
public class PairingChange internal constructor() : Changes("pairing") {
    /** Batch, 批次; `null` clears it. */
    public var batch: String? by field("batch")

    /** From, 起始日期; `null` clears it. */
    public var fromDate: LocalDate? by field("from_date")

    /** To, 终止日期; `null` clears it. */
    public var toDate: LocalDate? by field("to_date")

    /** Agreement, 协议. */
    public fun addAgreement(vararg elements: String): Unit = add("agreement", elements.toList())

    /** Agreement, 协议. */
    public fun removeAgreement(vararg elements: String): Unit = remove("agreement", elements.toList())

    /** Contacts, 联系人. */
    public fun addContacts(vararg elements: String): Unit = add("contacts", elements.toList())

    /** Contacts, 联系人. */
    public fun removeContacts(vararg elements: String): Unit = remove("contacts", elements.toList())

}

/** The edit that makes changes of a record: Pairing, 结对. */
public fun changePairing(id: String, changes: PairingChange.() -> Unit): RecordEdit =
    PairingChange().apply(changes).edit(id)

/** A stored record: Pairing, 结对. */
public class Pairing(public val stored: StoredRecord) {
    /** The id. */
    public val id: String get() = stored.id

    /** The state. */
    public val state: String? get() = stored.state

    /** Organisation, 单位. */
    public val org: String? get() = stored.reference("org")

    /** Community, 社区. */
    public val community: String? get() = stored.text("community")

    /** Batch, 批次. */
    public val batch: String? get() = stored.text("batch")

    /** From, 起始日期. */
    public val fromDate: LocalDate? get() = stored.date("from_date")

    /** To, 终止日期. */
    public val toDate: LocalDate? get() = stored.date("to_date")

    /** Agreement, 协议. */
    public val agreement: Set<String> get() = stored.elements("agreement").toSet()

    /** Contacts, 联系人. */
    public val contacts: Set<String> get() = stored.elements("contacts").toSet()
}

/** Reads one record: Pairing, 结对. */
public suspend fun Replica.pairing(id: String): Pairing = Pairing(record("pairing", id))

/** Activate, 启动. */
public fun activatePairing(id: String, on: String? = null, why: String? = null): RecordEdit =
    happened("pairing", id, "activate", "on" to on, "why" to why)

/** End, 终止. */
public fun endPairing(id: String, on: String, why: String? = null): RecordEdit =
    happened("pairing", id, "end", "on" to on, "why" to why)

/** Renew, 续签. */
public fun renewPairing(id: String, on: String, why: String? = null, until: String? = null): RecordEdit =
    happened("pairing", id, "renew", "on" to on, "why" to why, "until" to until)

/** Categories, 服务类别. */
public enum class TeamCategories(override val code: String) : Coded {
    /** Environment, 环保清洁. */
    ENVIRONMENT("environment"),
    /** Elderly care, 关爱老人. */
    ELDERLY("elderly"),
    /** Child care, 关爱儿童. */
    CHILDREN("children"),
    /** Disability and hardship, 扶残助困. */
    DISABILITY("disability"),
    /** Tutoring, 课业辅导. */
    TUTORING("tutoring"),
    /** Counselling, 心理辅导. */
    COUNSELLING("counselling"),
    /** Culture, 文化宣传. */
    CULTURE("culture"),
    /** Order and traffic, 治安交通. */
    ORDER("order"),
    /** Safety and policy, 安全与政策宣讲. */
    OUTREACH("outreach"),
    /** Health, 健康服务. */
    HEALTH("health"),
    /** Employment, 就业培训. */
    EMPLOYMENT("employment"),
    /** Repairs, 便民维修. */
    REPAIR("repair"),
    /** Other, 其他. */
    OTHER("other");

    public companion object {
        /** The one with this code; `null` where this version does not know it. */
        public fun of(code: String): TeamCategories? = entries.find { it.code == code }
    }
}

/** A new record: Team, 服务队. */
public class NewTeam(
    public val name: String,
    public val host: String,
    public val leader: String? = null,
    public val members: Set<String> = emptySet(),
    public val categories: Set<TeamCategories> = emptySet(),
    public val programme: String? = null,
    public val founded: LocalDate? = null,
) {
    /** The edit that makes it, with what happened to it at once. */
    public fun edit(vararg events: NewEvent, id: String? = null): RecordEdit =
        created("team", id, events) {
            given("name", name)
            given("host", host)
            given("leader", leader)
            given("members", members)
            given("categories", categories)
            given("programme", programme)
            given("founded", founded)
        }
}

/** Changes of a record: Team, 服务队. What is not named stays. */
public class TeamChange internal constructor() : Changes("team") {
    /** Name, 名称; `null` clears it. */
    public var name: String? by field("name")

    /** Leader, 队长; `null` clears it. */
    public var leader: String? by field("leader")

    /** Members, 队员. */
    public fun addMembers(vararg elements: String): Unit = add("members", elements.toList())

    /** Members, 队员. */
    public fun removeMembers(vararg elements: String): Unit = remove("members", elements.toList())

    /** Categories, 服务类别. */
    public fun addCategories(vararg elements: TeamCategories): Unit = add("categories", elements.toList())

    /** Categories, 服务类别. */
    public fun removeCategories(vararg elements: TeamCategories): Unit = remove("categories", elements.toList())

    /** Programme, 所属工程; `null` clears it. */
    public var programme: String? by field("programme")

    /** Founded, 成立日期; `null` clears it. */
    public var founded: LocalDate? by field("founded")

}

/** The edit that makes changes of a record: Team, 服务队. */
public fun changeTeam(id: String, changes: TeamChange.() -> Unit): RecordEdit =
    TeamChange().apply(changes).edit(id)

/** A stored record: Team, 服务队. */
public class Team(public val stored: StoredRecord) {
    /** The id. */
    public val id: String get() = stored.id

    /** Name, 名称. */
    public val name: String? get() = stored.text("name")

    /** Host, 所属. */
    public val host: String? get() = stored.reference("host")

    /** Leader, 队长. */
    public val leader: String? get() = stored.reference("leader")

    /** Members, 队员. */
    public val members: Set<String> get() = stored.elements("members").toSet()

    /** Categories, 服务类别. */
    public val categories: Set<TeamCategories> get() = stored.elements("categories").mapNotNull(TeamCategories::of).toSet()

    /** Programme, 所属工程. */
    public val programme: String? get() = stored.text("programme")

    /** Founded, 成立日期. */
    public val founded: LocalDate? get() = stored.date("founded")
}

/** Reads one record: Team, 服务队. */
public suspend fun Replica.team(id: String): Team = Team(record("team", id))
