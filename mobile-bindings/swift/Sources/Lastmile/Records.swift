// Typed records, generated from schema/records by `lastmile-bindgen records`. Do not edit.

import Foundation

/// Level, 层级.
public enum PlaceLevel: String, Sendable, CaseIterable {
    /// City, 市.
    case city = "city"
    /// District, 区县.
    case district = "district"
    /// Street, 街道.
    case street = "street"
    /// Community, 社区.
    case community = "community"
    /// Village, 村.
    case village = "village"
    /// Grid, 网格.
    case grid = "grid"
}

/// A new record: Place, 区划.
public struct NewPlace: Sendable {
    public var code: String
    public var name: String
    public var level: PlaceLevel
    public var parent: String
    public var validFrom: String?
    public var validTo: String?
    public var replacedBy: String?
    public var households: Int64?
    public var secretary: String?

    public init(
        code: String,
        name: String,
        level: PlaceLevel,
        parent: String,
        validFrom: String? = nil,
        validTo: String? = nil,
        replacedBy: String? = nil,
        households: Int64? = nil,
        secretary: String? = nil
    ) {
        self.code = code
        self.name = name
        self.level = level
        self.parent = parent
        self.validFrom = validFrom
        self.validTo = validTo
        self.replacedBy = replacedBy
        self.households = households
        self.secretary = secretary
    }

    /// The edit that makes it, with what happened to it at once.
    public func edit(events: [NewEvent] = []) -> RecordEdit {
        var fields = Fields()
        fields.give("code", code)
        fields.give("name", name)
        fields.give("level", level)
        fields.give("parent", parent)
        fields.give("valid_from", validFrom)
        fields.give("valid_to", validTo)
        fields.give("replaced_by", replacedBy)
        fields.give("households", households)
        fields.give("secretary", secretary)
        return .create(recordType: "place", id: nil, fields: fields.values, events: events)
    }
}

/// Changes of a record: Place, 区划. What is not named stays.
public struct PlaceChange: Sendable {
    private var changes = Changes()

    public init() {}

    /// Name, 名称; `nil` clears it.
    public mutating func name(_ value: String?) {
        changes.fields.set("name", value)
    }

    /// Part of, 上级; `nil` clears it.
    public mutating func parent(_ value: String?) {
        changes.fields.set("parent", value)
    }

    /// Valid from, 启用日期; `nil` clears it.
    public mutating func validFrom(_ value: String?) {
        changes.fields.set("valid_from", value)
    }

    /// Valid to, 停用日期; `nil` clears it.
    public mutating func validTo(_ value: String?) {
        changes.fields.set("valid_to", value)
    }

    /// Replaced by, 由何代码取代; `nil` clears it.
    public mutating func replacedBy(_ value: String?) {
        changes.fields.set("replaced_by", value)
    }

    /// Households, 户数; `nil` clears it.
    public mutating func households(_ value: Int64?) {
        changes.fields.set("households", value)
    }

    /// Secretary, 书记; `nil` clears it.
    public mutating func secretary(_ value: String?) {
        changes.fields.set("secretary", value)
    }

    /// The edit that makes them.
    public func edit(_ id: String) -> RecordEdit {
        .change(recordType: "place", id: id, fields: changes.fields.values, removed: changes.removed)
    }
}

/// A stored record: Place, 区划.
public struct Place: TypedRecord {
    /// `place`.
    public static var recordType: String { "place" }

    public let stored: StoredRecord

    public init(_ stored: StoredRecord) {
        self.stored = stored
    }

    /// The id.
    public var id: String { stored.id }

    /// Code, 代码.
    public var code: String? { stored.text("code") }

    /// Name, 名称.
    public var name: String? { stored.text("name") }

    /// Level, 层级.
    public var level: PlaceLevel? { stored.text("level").flatMap(PlaceLevel.init(rawValue:)) }

    /// Part of, 上级.
    public var parent: String? { stored.text("parent") }

    /// Valid from, 启用日期.
    public var validFrom: String? { stored.text("valid_from") }

    /// Valid to, 停用日期.
    public var validTo: String? { stored.text("valid_to") }

    /// Replaced by, 由何代码取代.
    public var replacedBy: String? { stored.text("replaced_by") }

    /// Households, 户数.
    public var households: Int64? { stored.number("households") }

    /// Secretary, 书记.
    public var secretary: String? { stored.reference("secretary") }
}

/// Kind, 类别.
public enum OrgKind: String, Sendable, CaseIterable {
    /// Agency, 机关.
    case agency = "agency"
    /// Public institution, 事业单位.
    case institution = "institution"
    /// State enterprise, 国企.
    case stateEnterprise = "state_enterprise"
    /// Private or social organisation, 两新组织.
    case newOrg = "new_org"
    /// School, 学校.
    case school = "school"
    /// Community party organisation, 社区党组织.
    case communityParty = "community_party"
    /// Other, 其他.
    case other = "other"
}

/// Level, 隶属层级.
public enum OrgLevel: String, Sendable, CaseIterable {
    /// Central, 中央驻地.
    case central = "central"
    /// Province, 省直.
    case province = "province"
    /// City, 市直.
    case city = "city"
    /// County, 县直.
    case county = "county"
    /// Street, 街镇.
    case street = "street"
    /// Community, 社区.
    case community = "community"
}

/// A new record: Organisation, 单位.
public struct NewOrg: Sendable {
    public var name: String
    public var kind: OrgKind
    public var level: OrgLevel
    public var uscc: String?
    public var short: String?
    public var system: String?
    public var parent: String?
    public var liaison: String?
    public var liaisonPhone: String?

    public init(
        name: String,
        kind: OrgKind,
        level: OrgLevel,
        uscc: String? = nil,
        short: String? = nil,
        system: String? = nil,
        parent: String? = nil,
        liaison: String? = nil,
        liaisonPhone: String? = nil
    ) {
        self.name = name
        self.kind = kind
        self.level = level
        self.uscc = uscc
        self.short = short
        self.system = system
        self.parent = parent
        self.liaison = liaison
        self.liaisonPhone = liaisonPhone
    }

    /// The edit that makes it, with what happened to it at once.
    public func edit(id: String? = nil, events: [NewEvent] = []) -> RecordEdit {
        var fields = Fields()
        fields.give("name", name)
        fields.give("kind", kind)
        fields.give("level", level)
        fields.give("uscc", uscc)
        fields.give("short", short)
        fields.give("system", system)
        fields.give("parent", parent)
        fields.give("liaison", liaison)
        fields.give("liaison_phone", liaisonPhone)
        return .create(recordType: "org", id: id, fields: fields.values, events: events)
    }
}

/// Changes of a record: Organisation, 单位. What is not named stays.
public struct OrgChange: Sendable {
    private var changes = Changes()

    public init() {}

    /// Name, 名称; `nil` clears it.
    public mutating func name(_ value: String?) {
        changes.fields.set("name", value)
    }

    /// Level, 隶属层级; `nil` clears it.
    public mutating func level(_ value: OrgLevel?) {
        changes.fields.set("level", value)
    }

    /// Unified social credit code, 统一社会信用代码; `nil` clears it.
    public mutating func uscc(_ value: String?) {
        changes.fields.set("uscc", value)
    }

    /// Short name, 简称; `nil` clears it.
    public mutating func short(_ value: String?) {
        changes.fields.set("short", value)
    }

    /// System, 系统; `nil` clears it.
    public mutating func system(_ value: String?) {
        changes.fields.set("system", value)
    }

    /// Part of, 上级单位; `nil` clears it.
    public mutating func parent(_ value: String?) {
        changes.fields.set("parent", value)
    }

    /// Liaison, 联络员; `nil` clears it.
    public mutating func liaison(_ value: String?) {
        changes.fields.set("liaison", value)
    }

    /// Liaison's phone, 联络员电话; `nil` clears it.
    public mutating func liaisonPhone(_ value: String?) {
        changes.fields.set("liaison_phone", value)
    }

    /// The edit that makes them.
    public func edit(_ id: String) -> RecordEdit {
        .change(recordType: "org", id: id, fields: changes.fields.values, removed: changes.removed)
    }
}

/// A stored record: Organisation, 单位.
public struct Org: TypedRecord {
    /// `org`.
    public static var recordType: String { "org" }

    public let stored: StoredRecord

    public init(_ stored: StoredRecord) {
        self.stored = stored
    }

    /// The id.
    public var id: String { stored.id }

    /// Name, 名称.
    public var name: String? { stored.text("name") }

    /// Kind, 类别.
    public var kind: OrgKind? { stored.text("kind").flatMap(OrgKind.init(rawValue:)) }

    /// Level, 隶属层级.
    public var level: OrgLevel? { stored.text("level").flatMap(OrgLevel.init(rawValue:)) }

    /// Unified social credit code, 统一社会信用代码.
    public var uscc: String? { stored.text("uscc") }

    /// Short name, 简称.
    public var short: String? { stored.text("short") }

    /// System, 系统.
    public var system: String? { stored.text("system") }

    /// Part of, 上级单位.
    public var parent: String? { stored.reference("parent") }

    /// Liaison, 联络员.
    public var liaison: String? { stored.text("liaison") }

    /// Liaison's phone, 联络员电话.
    public var liaisonPhone: String? { stored.text("liaison_phone") }
}

/// Sex, 性别.
public enum PersonSex: String, Sendable, CaseIterable {
    /// Unknown, 未知.
    case unknown = "0"
    /// Male, 男.
    case male = "1"
    /// Female, 女.
    case female = "2"
    /// Not stated, 未说明.
    case notStated = "9"
}

/// Political status, 政治面貌.
public enum PersonPartyStatus: String, Sendable, CaseIterable {
    /// Party member, 中共党员.
    case partyMember = "01"
    /// Probationary party member, 中共预备党员.
    case probationaryPartyMember = "02"
    /// Youth League member, 共青团员.
    case youthLeagueMember = "03"
    /// Revolutionary Committee of the Kuomintang, 民革党员.
    case revolutionaryCommitteeOfTheKuomintang = "04"
    /// Democratic League, 民盟盟员.
    case democraticLeague = "05"
    /// National Construction Association, 民建会员.
    case nationalConstructionAssociation = "06"
    /// Association for Promoting Democracy, 民进会员.
    case associationForPromotingDemocracy = "07"
    /// Peasants' and Workers' Democratic Party, 农工党党员.
    case peasantsAndWorkersDemocraticParty = "08"
    /// Zhi Gong Party, 致公党党员.
    case zhiGongParty = "09"
    /// Jiusan Society, 九三学社社员.
    case jiusanSociety = "10"
    /// Taiwan Democratic Self-Government League, 台盟盟员.
    case taiwanDemocraticSelfGovernmentLeague = "11"
    /// Without party, 无党派人士.
    case withoutParty = "12"
    /// Citizen, 群众.
    case citizen = "13"
}

/// Available, 可服务时间.
public enum PersonAvailable: String, Sendable, CaseIterable {
    /// Workdays, 工作日白天.
    case workday = "workday"
    /// Evenings, 晚上.
    case evening = "evening"
    /// Weekends, 周末.
    case weekend = "weekend"
    /// Holidays, 节假日.
    case holiday = "holiday"
    /// Any time, 随时.
    case any = "any"
}

/// Kind, 人员类别.
public enum PersonKind: String, Sendable, CaseIterable {
    /// Member, 在职党员.
    case member = "member"
    /// Volunteer, 志愿者.
    case volunteer = "volunteer"
    /// Community worker, 社区工作者.
    case worker = "worker"
}

/// Status, 状态.
public enum PersonStatus: String, Sendable, CaseIterable {
    /// Active, 在职.
    case active = "active"
    /// Retired, 退休.
    case retired = "retired"
    /// Left, 转出.
    case left = "left"
    /// Dead, 去世.
    case dead = "dead"
}

/// A new record: Person, 人员.
public struct NewPerson: Sendable {
    public var name: String
    public var partyStatus: PersonPartyStatus
    public var kind: Set<PersonKind>
    public var sex: PersonSex?
    public var birthYm: String?
    public var phone: Set<String>
    public var idNo: String?
    public var idLast4: String?
    public var memberSince: String?
    public var employer: String?
    public var job: String?
    public var skills: Set<String>
    public var available: Set<PersonAvailable>
    public var volunteerNo: String?
    public var exemptReason: String?
    public var exemptUntil: String?
    public var status: PersonStatus?

    public init(
        name: String,
        partyStatus: PersonPartyStatus,
        kind: Set<PersonKind>,
        sex: PersonSex? = nil,
        birthYm: String? = nil,
        phone: Set<String> = [],
        idNo: String? = nil,
        idLast4: String? = nil,
        memberSince: String? = nil,
        employer: String? = nil,
        job: String? = nil,
        skills: Set<String> = [],
        available: Set<PersonAvailable> = [],
        volunteerNo: String? = nil,
        exemptReason: String? = nil,
        exemptUntil: String? = nil,
        status: PersonStatus? = nil
    ) {
        self.name = name
        self.partyStatus = partyStatus
        self.kind = kind
        self.sex = sex
        self.birthYm = birthYm
        self.phone = phone
        self.idNo = idNo
        self.idLast4 = idLast4
        self.memberSince = memberSince
        self.employer = employer
        self.job = job
        self.skills = skills
        self.available = available
        self.volunteerNo = volunteerNo
        self.exemptReason = exemptReason
        self.exemptUntil = exemptUntil
        self.status = status
    }

    /// The edit that makes it, with what happened to it at once.
    public func edit(id: String? = nil, events: [NewEvent] = []) -> RecordEdit {
        var fields = Fields()
        fields.give("name", name)
        fields.give("party_status", partyStatus)
        fields.give("kind", kind)
        fields.give("sex", sex)
        fields.give("birth_ym", birthYm)
        fields.give("phone", phone)
        fields.give("id_no", idNo)
        fields.give("id_last4", idLast4)
        fields.give("member_since", memberSince)
        fields.give("employer", employer)
        fields.give("job", job)
        fields.give("skills", skills)
        fields.give("available", available)
        fields.give("volunteer_no", volunteerNo)
        fields.give("exempt_reason", exemptReason)
        fields.give("exempt_until", exemptUntil)
        fields.give("status", status)
        return .create(recordType: "person", id: id, fields: fields.values, events: events)
    }
}

/// Changes of a record: Person, 人员. What is not named stays.
public struct PersonChange: Sendable {
    private var changes = Changes()

    public init() {}

    /// Name, 姓名; `nil` clears it.
    public mutating func name(_ value: String?) {
        changes.fields.set("name", value)
    }

    /// Political status, 政治面貌; `nil` clears it.
    public mutating func partyStatus(_ value: PersonPartyStatus?) {
        changes.fields.set("party_status", value)
    }

    /// Kind, 人员类别.
    public mutating func addKind(_ elements: Set<PersonKind>) {
        changes.fields.give("kind", elements)
    }

    /// Kind, 人员类别.
    public mutating func removeKind(_ elements: Set<PersonKind>) {
        changes.remove("kind", elements)
    }

    /// Sex, 性别; `nil` clears it.
    public mutating func sex(_ value: PersonSex?) {
        changes.fields.set("sex", value)
    }

    /// Month of birth, 出生年月; `nil` clears it.
    public mutating func birthYm(_ value: String?) {
        changes.fields.set("birth_ym", value)
    }

    /// Phone, 电话.
    public mutating func addPhone(_ elements: Set<String>) {
        changes.fields.give("phone", elements)
    }

    /// Phone, 电话.
    public mutating func removePhone(_ elements: Set<String>) {
        changes.remove("phone", elements)
    }

    /// Id number, 身份证号; `nil` clears it.
    public mutating func idNo(_ value: String?) {
        changes.fields.set("id_no", value)
    }

    /// Id number, last four, 身份证号后四位; `nil` clears it.
    public mutating func idLast4(_ value: String?) {
        changes.fields.set("id_last4", value)
    }

    /// Member since, 入党日期; `nil` clears it.
    public mutating func memberSince(_ value: String?) {
        changes.fields.set("member_since", value)
    }

    /// Employer, 工作单位; `nil` clears it.
    public mutating func employer(_ value: String?) {
        changes.fields.set("employer", value)
    }

    /// Job, 职务; `nil` clears it.
    public mutating func job(_ value: String?) {
        changes.fields.set("job", value)
    }

    /// Skills, 特长.
    public mutating func addSkills(_ elements: Set<String>) {
        changes.fields.give("skills", elements)
    }

    /// Skills, 特长.
    public mutating func removeSkills(_ elements: Set<String>) {
        changes.remove("skills", elements)
    }

    /// Available, 可服务时间.
    public mutating func addAvailable(_ elements: Set<PersonAvailable>) {
        changes.fields.give("available", elements)
    }

    /// Available, 可服务时间.
    public mutating func removeAvailable(_ elements: Set<PersonAvailable>) {
        changes.remove("available", elements)
    }

    /// Volunteer number, 志愿者编号; `nil` clears it.
    public mutating func volunteerNo(_ value: String?) {
        changes.fields.set("volunteer_no", value)
    }

    /// Exempt because, 免服务原因; `nil` clears it.
    public mutating func exemptReason(_ value: String?) {
        changes.fields.set("exempt_reason", value)
    }

    /// Exempt until, 免服务至; `nil` clears it.
    public mutating func exemptUntil(_ value: String?) {
        changes.fields.set("exempt_until", value)
    }

    /// Status, 状态; `nil` clears it.
    public mutating func status(_ value: PersonStatus?) {
        changes.fields.set("status", value)
    }

    /// The edit that makes them.
    public func edit(_ id: String) -> RecordEdit {
        .change(recordType: "person", id: id, fields: changes.fields.values, removed: changes.removed)
    }
}

/// A stored record: Person, 人员.
public struct Person: TypedRecord {
    /// `person`.
    public static var recordType: String { "person" }

    public let stored: StoredRecord

    public init(_ stored: StoredRecord) {
        self.stored = stored
    }

    /// The id.
    public var id: String { stored.id }

    /// Name, 姓名.
    public var name: String? { stored.text("name") }

    /// Political status, 政治面貌.
    public var partyStatus: PersonPartyStatus? { stored.text("party_status").flatMap(PersonPartyStatus.init(rawValue:)) }

    /// Kind, 人员类别.
    public var kind: Set<PersonKind> { Set(stored.elements("kind").compactMap(PersonKind.init(rawValue:))) }

    /// Sex, 性别.
    public var sex: PersonSex? { stored.text("sex").flatMap(PersonSex.init(rawValue:)) }

    /// Month of birth, 出生年月.
    public var birthYm: String? { stored.text("birth_ym") }

    /// Phone, 电话.
    public var phone: Set<String> { Set(stored.elements("phone")) }

    /// Id number, last four, 身份证号后四位.
    public var idLast4: String? { stored.text("id_last4") }

    /// Member since, 入党日期.
    public var memberSince: String? { stored.text("member_since") }

    /// Employer, 工作单位.
    public var employer: String? { stored.reference("employer") }

    /// Job, 职务.
    public var job: String? { stored.text("job") }

    /// Skills, 特长.
    public var skills: Set<String> { Set(stored.elements("skills")) }

    /// Available, 可服务时间.
    public var available: Set<PersonAvailable> { Set(stored.elements("available").compactMap(PersonAvailable.init(rawValue:))) }

    /// Volunteer number, 志愿者编号.
    public var volunteerNo: String? { stored.text("volunteer_no") }

    /// Exempt because, 免服务原因.
    public var exemptReason: String? { stored.text("exempt_reason") }

    /// Exempt until, 免服务至.
    public var exemptUntil: String? { stored.text("exempt_until") }

    /// Status, 状态.
    public var status: PersonStatus? { stored.text("status").flatMap(PersonStatus.init(rawValue:)) }
}

/// Consents, 同意.
public func consentPerson(_ id: String, version: String, on: String? = nil, why: String? = nil) -> RecordEdit {
    happened("person", id, "consent", [("version", version), ("on", on), ("why", why)])
}

/// Withdraws consent, 撤回同意.
public func withdrawConsentPerson(_ id: String, on: String? = nil, why: String? = nil) -> RecordEdit {
    happened("person", id, "withdraw_consent", [("on", on), ("why", why)])
}

/// Basis, 报到依据.
public enum CheckInBasis: String, Sendable, CaseIterable {
    /// Residence, 居住地.
    case residence = "residence"
    /// Employer's paired community, 单位结对社区.
    case pairing = "pairing"
}

/// Wants to help with, 服务意向.
public enum CheckInIntents: String, Sendable, CaseIterable {
    /// Environment, 环保清洁.
    case environment = "environment"
    /// Elderly care, 关爱老人.
    case elderly = "elderly"
    /// Child care, 关爱儿童.
    case children = "children"
    /// Disability and hardship, 扶残助困.
    case disability = "disability"
    /// Tutoring, 课业辅导.
    case tutoring = "tutoring"
    /// Counselling, 心理辅导.
    case counselling = "counselling"
    /// Culture, 文化宣传.
    case culture = "culture"
    /// Order and traffic, 治安交通.
    case order = "order"
    /// Safety and policy, 安全与政策宣讲.
    case outreach = "outreach"
    /// Health, 健康服务.
    case health = "health"
    /// Employment, 就业培训.
    case employment = "employment"
    /// Repairs, 便民维修.
    case repair = "repair"
    /// Other, 其他.
    case other = "other"
}

/// A new record: Check-in, 报到.
public struct NewCheckIn: Sendable {
    public var person: String
    public var community: String
    public var basis: CheckInBasis?
    public var employerAtTime: String?
    public var addressBuilding: String?
    public var intents: Set<CheckInIntents>
    public var grid: String?

    public init(
        person: String,
        community: String,
        basis: CheckInBasis? = nil,
        employerAtTime: String? = nil,
        addressBuilding: String? = nil,
        intents: Set<CheckInIntents> = [],
        grid: String? = nil
    ) {
        self.person = person
        self.community = community
        self.basis = basis
        self.employerAtTime = employerAtTime
        self.addressBuilding = addressBuilding
        self.intents = intents
        self.grid = grid
    }

    /// The edit that makes it, with what happened to it at once.
    public func edit(events: [NewEvent] = []) -> RecordEdit {
        var fields = Fields()
        fields.give("person", person)
        fields.give("community", community)
        fields.give("basis", basis)
        fields.give("employer_at_time", employerAtTime)
        fields.give("address_building", addressBuilding)
        fields.give("intents", intents)
        fields.give("grid", grid)
        return .create(recordType: "check_in", id: nil, fields: fields.values, events: events)
    }
}

/// Changes of a record: Check-in, 报到. What is not named stays.
public struct CheckInChange: Sendable {
    private var changes = Changes()

    public init() {}

    /// Basis, 报到依据; `nil` clears it.
    public mutating func basis(_ value: CheckInBasis?) {
        changes.fields.set("basis", value)
    }

    /// Employer at the time, 报到时单位; `nil` clears it.
    public mutating func employerAtTime(_ value: String?) {
        changes.fields.set("employer_at_time", value)
    }

    /// Building, 楼栋; `nil` clears it.
    public mutating func addressBuilding(_ value: String?) {
        changes.fields.set("address_building", value)
    }

    /// Wants to help with, 服务意向.
    public mutating func addIntents(_ elements: Set<CheckInIntents>) {
        changes.fields.give("intents", elements)
    }

    /// Wants to help with, 服务意向.
    public mutating func removeIntents(_ elements: Set<CheckInIntents>) {
        changes.remove("intents", elements)
    }

    /// Grid, 网格; `nil` clears it.
    public mutating func grid(_ value: String?) {
        changes.fields.set("grid", value)
    }

    /// The edit that makes them.
    public func edit(_ id: String) -> RecordEdit {
        .change(recordType: "check_in", id: id, fields: changes.fields.values, removed: changes.removed)
    }
}

/// A stored record: Check-in, 报到.
public struct CheckIn: TypedRecord {
    /// `check_in`.
    public static var recordType: String { "check_in" }

    public let stored: StoredRecord

    public init(_ stored: StoredRecord) {
        self.stored = stored
    }

    /// The id.
    public var id: String { stored.id }

    /// The state.
    public var state: String? { stored.state }

    /// Person, 人员.
    public var person: String? { stored.reference("person") }

    /// Community, 社区.
    public var community: String? { stored.text("community") }

    /// Basis, 报到依据.
    public var basis: CheckInBasis? { stored.text("basis").flatMap(CheckInBasis.init(rawValue:)) }

    /// Employer at the time, 报到时单位.
    public var employerAtTime: String? { stored.reference("employer_at_time") }

    /// Building, 楼栋.
    public var addressBuilding: String? { stored.text("address_building") }

    /// Wants to help with, 服务意向.
    public var intents: Set<CheckInIntents> { Set(stored.elements("intents").compactMap(CheckInIntents.init(rawValue:))) }

    /// Grid, 网格.
    public var grid: String? { stored.text("grid") }
}

/// Register, 登记.
public func registerCheckIn(_ id: String, on: String? = nil, why: String? = nil) -> RecordEdit {
    happened("check_in", id, "register", [("on", on), ("why", why)])
}

/// Confirm, 确认.
public func confirmCheckIn(_ id: String, on: String, why: String? = nil) -> RecordEdit {
    happened("check_in", id, "confirm", [("on", on), ("why", why)])
}

/// Return, 退回.
public func returnCheckIn(_ id: String, why: String, on: String? = nil) -> RecordEdit {
    happened("check_in", id, "return", [("why", why), ("on", on)])
}

/// Move out, 迁出.
public func moveOutCheckIn(_ id: String, on: String, to: String, why: String? = nil) -> RecordEdit {
    happened("check_in", id, "move_out", [("on", on), ("to", to), ("why", why)])
}

/// End, 减少.
public func endCheckIn(_ id: String, on: String, why: String) -> RecordEdit {
    happened("check_in", id, "end", [("on", on), ("why", why)])
}

/// Report again, 复报.
public func reportAgainCheckIn(_ id: String, on: String, why: String? = nil, half: String? = nil) -> RecordEdit {
    happened("check_in", id, "report_again", [("on", on), ("why", why), ("half", half)])
}

/// Category, 类别.
public enum ActivityCategory: String, Sendable, CaseIterable {
    /// Environment, 环保清洁.
    case environment = "environment"
    /// Elderly care, 关爱老人.
    case elderly = "elderly"
    /// Child care, 关爱儿童.
    case children = "children"
    /// Disability and hardship, 扶残助困.
    case disability = "disability"
    /// Tutoring, 课业辅导.
    case tutoring = "tutoring"
    /// Counselling, 心理辅导.
    case counselling = "counselling"
    /// Culture, 文化宣传.
    case culture = "culture"
    /// Order and traffic, 治安交通.
    case order = "order"
    /// Safety and policy, 安全与政策宣讲.
    case outreach = "outreach"
    /// Health, 健康服务.
    case health = "health"
    /// Employment, 就业培训.
    case employment = "employment"
    /// Repairs, 便民维修.
    case repair = "repair"
    /// Other, 其他.
    case other = "other"
}

/// Kind, 形式.
public enum ActivityKind: String, Sendable, CaseIterable {
    /// Service, 服务.
    case service = "service"
    /// Lecture, 党课.
    case lecture = "lecture"
    /// Training, 培训.
    case training = "training"
    /// Health check, 体检.
    case checkup = "checkup"
    /// Visit, 走访.
    case visit = "visit"
    /// Donation, 捐赠.
    case donation = "donation"
}

/// Groups served, 服务对象.
public enum ActivityBeneficiaryGroups: String, Sendable, CaseIterable {
    /// Elderly, 老年人.
    case elderly = "elderly"
    /// Children, 未成年人.
    case children = "children"
    /// Persons with disabilities, 残疾人.
    case disabled = "disabled"
    /// Households in hardship, 困难户.
    case hardship = "hardship"
    /// Jobseekers, 待业人员.
    case jobseekers = "jobseekers"
    /// Migrants, 流动人口.
    case migrants = "migrants"
    /// Residents, 普通居民.
    case residents = "residents"
    /// Other, 其他.
    case other = "other"
}

/// A new record: Activity, 活动.
public struct NewActivity: Sendable {
    public var title: String
    public var category: ActivityCategory
    public var date: String
    public var tags: Set<String>
    public var kind: ActivityKind?
    public var startTime: String?
    public var endTime: String?
    public var venue: String?
    public var hostTeam: String?
    public var pairing: String?
    public var project: String?
    public var ledBy: String?
    public var beneficiaries: Int64?
    public var beneficiaryGroups: Set<ActivityBeneficiaryGroups>
    public var note: String?
    public var duplicateOf: String?

    public init(
        title: String,
        category: ActivityCategory,
        date: String,
        tags: Set<String> = [],
        kind: ActivityKind? = nil,
        startTime: String? = nil,
        endTime: String? = nil,
        venue: String? = nil,
        hostTeam: String? = nil,
        pairing: String? = nil,
        project: String? = nil,
        ledBy: String? = nil,
        beneficiaries: Int64? = nil,
        beneficiaryGroups: Set<ActivityBeneficiaryGroups> = [],
        note: String? = nil,
        duplicateOf: String? = nil
    ) {
        self.title = title
        self.category = category
        self.date = date
        self.tags = tags
        self.kind = kind
        self.startTime = startTime
        self.endTime = endTime
        self.venue = venue
        self.hostTeam = hostTeam
        self.pairing = pairing
        self.project = project
        self.ledBy = ledBy
        self.beneficiaries = beneficiaries
        self.beneficiaryGroups = beneficiaryGroups
        self.note = note
        self.duplicateOf = duplicateOf
    }

    /// The edit that makes it, with what happened to it at once.
    public func edit(id: String? = nil, events: [NewEvent] = []) -> RecordEdit {
        var fields = Fields()
        fields.give("title", title)
        fields.give("category", category)
        fields.give("date", date)
        fields.give("tags", tags)
        fields.give("kind", kind)
        fields.give("start_time", startTime)
        fields.give("end_time", endTime)
        fields.give("venue", venue)
        fields.give("host_team", hostTeam)
        fields.give("pairing", pairing)
        fields.give("project", project)
        fields.give("led_by", ledBy)
        fields.give("beneficiaries", beneficiaries)
        fields.give("beneficiary_groups", beneficiaryGroups)
        fields.give("note", note)
        fields.give("duplicate_of", duplicateOf)
        return .create(recordType: "activity", id: id, fields: fields.values, events: events)
    }
}

/// Changes of a record: Activity, 活动. What is not named stays.
public struct ActivityChange: Sendable {
    private var changes = Changes()

    public init() {}

    /// Title, 名称; `nil` clears it.
    public mutating func title(_ value: String?) {
        changes.fields.set("title", value)
    }

    /// Category, 类别; `nil` clears it.
    public mutating func category(_ value: ActivityCategory?) {
        changes.fields.set("category", value)
    }

    /// Date, 日期; `nil` clears it.
    public mutating func date(_ value: String?) {
        changes.fields.set("date", value)
    }

    /// Tags, 标签.
    public mutating func addTags(_ elements: Set<String>) {
        changes.fields.give("tags", elements)
    }

    /// Tags, 标签.
    public mutating func removeTags(_ elements: Set<String>) {
        changes.remove("tags", elements)
    }

    /// Kind, 形式; `nil` clears it.
    public mutating func kind(_ value: ActivityKind?) {
        changes.fields.set("kind", value)
    }

    /// Start, 开始时间; `nil` clears it.
    public mutating func startTime(_ value: String?) {
        changes.fields.set("start_time", value)
    }

    /// End, 结束时间; `nil` clears it.
    public mutating func endTime(_ value: String?) {
        changes.fields.set("end_time", value)
    }

    /// Venue, 地点; `nil` clears it.
    public mutating func venue(_ value: String?) {
        changes.fields.set("venue", value)
    }

    /// Host team, 承办队伍; `nil` clears it.
    public mutating func hostTeam(_ value: String?) {
        changes.fields.set("host_team", value)
    }

    /// Pairing, 所属结对; `nil` clears it.
    public mutating func pairing(_ value: String?) {
        changes.fields.set("pairing", value)
    }

    /// Project, 项目; `nil` clears it.
    public mutating func project(_ value: String?) {
        changes.fields.set("project", value)
    }

    /// Led by, 负责人; `nil` clears it.
    public mutating func ledBy(_ value: String?) {
        changes.fields.set("led_by", value)
    }

    /// Persons served, 服务人次; `nil` clears it.
    public mutating func beneficiaries(_ value: Int64?) {
        changes.fields.set("beneficiaries", value)
    }

    /// Groups served, 服务对象.
    public mutating func addBeneficiaryGroups(_ elements: Set<ActivityBeneficiaryGroups>) {
        changes.fields.give("beneficiary_groups", elements)
    }

    /// Groups served, 服务对象.
    public mutating func removeBeneficiaryGroups(_ elements: Set<ActivityBeneficiaryGroups>) {
        changes.remove("beneficiary_groups", elements)
    }

    /// Note, 备注; `nil` clears it.
    public mutating func note(_ value: String?) {
        changes.fields.set("note", value)
    }

    /// Duplicate of, 与何活动重复; `nil` clears it.
    public mutating func duplicateOf(_ value: String?) {
        changes.fields.set("duplicate_of", value)
    }

    /// The edit that makes them.
    public func edit(_ id: String) -> RecordEdit {
        .change(recordType: "activity", id: id, fields: changes.fields.values, removed: changes.removed)
    }
}

/// A stored record: Activity, 活动.
public struct Activity: TypedRecord {
    /// `activity`.
    public static var recordType: String { "activity" }

    public let stored: StoredRecord

    public init(_ stored: StoredRecord) {
        self.stored = stored
    }

    /// The id.
    public var id: String { stored.id }

    /// The state.
    public var state: String? { stored.state }

    /// Title, 名称.
    public var title: String? { stored.text("title") }

    /// Category, 类别.
    public var category: ActivityCategory? { stored.text("category").flatMap(ActivityCategory.init(rawValue:)) }

    /// Date, 日期.
    public var date: String? { stored.text("date") }

    /// Tags, 标签.
    public var tags: Set<String> { Set(stored.elements("tags")) }

    /// Kind, 形式.
    public var kind: ActivityKind? { stored.text("kind").flatMap(ActivityKind.init(rawValue:)) }

    /// Start, 开始时间.
    public var startTime: String? { stored.text("start_time") }

    /// End, 结束时间.
    public var endTime: String? { stored.text("end_time") }

    /// Venue, 地点.
    public var venue: String? { stored.text("venue") }

    /// Host team, 承办队伍.
    public var hostTeam: String? { stored.reference("host_team") }

    /// Pairing, 所属结对.
    public var pairing: String? { stored.reference("pairing") }

    /// Project, 项目.
    public var project: String? { stored.text("project") }

    /// Led by, 负责人.
    public var ledBy: String? { stored.reference("led_by") }

    /// Persons served, 服务人次.
    public var beneficiaries: Int64? { stored.number("beneficiaries") }

    /// Groups served, 服务对象.
    public var beneficiaryGroups: Set<ActivityBeneficiaryGroups> { Set(stored.elements("beneficiary_groups").compactMap(ActivityBeneficiaryGroups.init(rawValue:))) }

    /// Note, 备注.
    public var note: String? { stored.text("note") }

    /// Duplicate of, 与何活动重复.
    public var duplicateOf: String? { stored.reference("duplicate_of") }
}

/// Plan, 计划.
public func planActivity(_ id: String, on: String? = nil, why: String? = nil) -> RecordEdit {
    happened("activity", id, "plan", [("on", on), ("why", why)])
}

/// Hold, 举办.
public func holdActivity(_ id: String, on: String? = nil, why: String? = nil) -> RecordEdit {
    happened("activity", id, "hold", [("on", on), ("why", why)])
}

/// Submit, 提交.
public func submitActivity(_ id: String, on: String? = nil, why: String? = nil) -> RecordEdit {
    happened("activity", id, "submit", [("on", on), ("why", why)])
}

/// Verify, 审核.
public func verifyActivity(_ id: String, on: String? = nil, why: String? = nil) -> RecordEdit {
    happened("activity", id, "verify", [("on", on), ("why", why)])
}

/// Return, 退回.
public func returnActivity(_ id: String, why: String, on: String? = nil) -> RecordEdit {
    happened("activity", id, "return", [("why", why), ("on", on)])
}

/// Cancel, 取消.
public func cancelActivity(_ id: String, on: String? = nil, why: String? = nil) -> RecordEdit {
    happened("activity", id, "cancel", [("on", on), ("why", why)])
}

/// Mark as duplicate, 标记重复.
public func duplicateActivity(_ id: String, to: String, on: String? = nil, why: String? = nil) -> RecordEdit {
    happened("activity", id, "duplicate", [("to", to), ("on", on), ("why", why)])
}

/// Unmark as duplicate, 取消重复标记.
public func notDuplicateActivity(_ id: String, on: String? = nil, why: String? = nil) -> RecordEdit {
    happened("activity", id, "not_duplicate", [("on", on), ("why", why)])
}

/// Accept correction, 接受更正.
public func acceptActivity(_ id: String, on: String? = nil, why: String? = nil) -> RecordEdit {
    happened("activity", id, "accept", [("on", on), ("why", why)])
}

/// Reject correction, 驳回更正.
public func rejectActivity(_ id: String, on: String? = nil, why: String? = nil) -> RecordEdit {
    happened("activity", id, "reject", [("on", on), ("why", why)])
}

/// Role, 角色.
public enum ParticipationRole: String, Sendable, CaseIterable {
    /// Leader, 领队.
    case leader = "leader"
    /// Participant, 参加.
    case participant = "participant"
}

/// Source, 来源.
public enum ParticipationSource: String, Sendable, CaseIterable {
    /// QR code, 扫码.
    case qr = "qr"
    /// List, 名单.
    case list = "list"
    /// By hand, 手工.
    case manual = "manual"
    /// Added later, 补报.
    case late = "late"
}

/// A new record: Participation, 参加.
public struct NewParticipation: Sendable {
    public var activity: String
    public var person: String
    public var role: ParticipationRole?
    public var minutes: Int64?
    public var signIn: String?
    public var signOut: String?
    public var source: ParticipationSource?
    public var attended: Bool?
    public var reviewerNote: String?

    public init(
        activity: String,
        person: String,
        role: ParticipationRole? = nil,
        minutes: Int64? = nil,
        signIn: String? = nil,
        signOut: String? = nil,
        source: ParticipationSource? = nil,
        attended: Bool? = nil,
        reviewerNote: String? = nil
    ) {
        self.activity = activity
        self.person = person
        self.role = role
        self.minutes = minutes
        self.signIn = signIn
        self.signOut = signOut
        self.source = source
        self.attended = attended
        self.reviewerNote = reviewerNote
    }

    /// The edit that makes it, with what happened to it at once.
    public func edit(events: [NewEvent] = []) -> RecordEdit {
        var fields = Fields()
        fields.give("activity", activity)
        fields.give("person", person)
        fields.give("role", role)
        fields.give("minutes", minutes)
        fields.give("sign_in", signIn)
        fields.give("sign_out", signOut)
        fields.give("source", source)
        fields.give("attended", attended)
        fields.give("reviewer_note", reviewerNote)
        return .create(recordType: "participation", id: nil, fields: fields.values, events: events)
    }
}

/// Changes of a record: Participation, 参加. What is not named stays.
public struct ParticipationChange: Sendable {
    private var changes = Changes()

    public init() {}

    /// Role, 角色; `nil` clears it.
    public mutating func role(_ value: ParticipationRole?) {
        changes.fields.set("role", value)
    }

    /// Minutes, 时长（分钟）; `nil` clears it.
    public mutating func minutes(_ value: Int64?) {
        changes.fields.set("minutes", value)
    }

    /// Signed in, 签到; `nil` clears it.
    public mutating func signIn(_ value: String?) {
        changes.fields.set("sign_in", value)
    }

    /// Signed out, 签退; `nil` clears it.
    public mutating func signOut(_ value: String?) {
        changes.fields.set("sign_out", value)
    }

    /// Source, 来源; `nil` clears it.
    public mutating func source(_ value: ParticipationSource?) {
        changes.fields.set("source", value)
    }

    /// Attended, 到场; `nil` clears it.
    public mutating func attended(_ value: Bool?) {
        changes.fields.set("attended", value)
    }

    /// Reviewer's note, 审核备注; `nil` clears it.
    public mutating func reviewerNote(_ value: String?) {
        changes.fields.set("reviewer_note", value)
    }

    /// The edit that makes them.
    public func edit(_ id: String) -> RecordEdit {
        .change(recordType: "participation", id: id, fields: changes.fields.values, removed: changes.removed)
    }
}

/// A stored record: Participation, 参加.
public struct Participation: TypedRecord {
    /// `participation`.
    public static var recordType: String { "participation" }

    public let stored: StoredRecord

    public init(_ stored: StoredRecord) {
        self.stored = stored
    }

    /// The id.
    public var id: String { stored.id }

    /// Activity, 活动.
    public var activity: String? { stored.reference("activity") }

    /// Person, 人员.
    public var person: String? { stored.reference("person") }

    /// Role, 角色.
    public var role: ParticipationRole? { stored.text("role").flatMap(ParticipationRole.init(rawValue:)) }

    /// Minutes, 时长（分钟）.
    public var minutes: Int64? { stored.number("minutes") }

    /// Signed in, 签到.
    public var signIn: String? { stored.text("sign_in") }

    /// Signed out, 签退.
    public var signOut: String? { stored.text("sign_out") }

    /// Source, 来源.
    public var source: ParticipationSource? { stored.text("source").flatMap(ParticipationSource.init(rawValue:)) }

    /// Attended, 到场.
    public var attended: Bool? { stored.flag("attended") }

    /// Reviewer's note, 审核备注.
    public var reviewerNote: String? { stored.text("reviewer_note") }
}

/// A new record: Pairing, 结对.
public struct NewPairing: Sendable {
    public var org: String
    public var community: String
    public var batch: String
    public var fromDate: String
    public var toDate: String?
    public var agreement: Set<String>
    public var contacts: Set<String>

    public init(
        org: String,
        community: String,
        batch: String,
        fromDate: String,
        toDate: String? = nil,
        agreement: Set<String> = [],
        contacts: Set<String> = []
    ) {
        self.org = org
        self.community = community
        self.batch = batch
        self.fromDate = fromDate
        self.toDate = toDate
        self.agreement = agreement
        self.contacts = contacts
    }

    /// The edit that makes it, with what happened to it at once.
    public func edit(id: String? = nil, events: [NewEvent] = []) -> RecordEdit {
        var fields = Fields()
        fields.give("org", org)
        fields.give("community", community)
        fields.give("batch", batch)
        fields.give("from_date", fromDate)
        fields.give("to_date", toDate)
        fields.give("agreement", agreement)
        fields.give("contacts", contacts)
        return .create(recordType: "pairing", id: id, fields: fields.values, events: events)
    }
}

/// Changes of a record: Pairing, 结对. What is not named stays.
public struct PairingChange: Sendable {
    private var changes = Changes()

    public init() {}

    /// Batch, 批次; `nil` clears it.
    public mutating func batch(_ value: String?) {
        changes.fields.set("batch", value)
    }

    /// From, 起始日期; `nil` clears it.
    public mutating func fromDate(_ value: String?) {
        changes.fields.set("from_date", value)
    }

    /// To, 终止日期; `nil` clears it.
    public mutating func toDate(_ value: String?) {
        changes.fields.set("to_date", value)
    }

    /// Agreement, 协议.
    public mutating func addAgreement(_ elements: Set<String>) {
        changes.fields.give("agreement", elements)
    }

    /// Agreement, 协议.
    public mutating func removeAgreement(_ elements: Set<String>) {
        changes.remove("agreement", elements)
    }

    /// Contacts, 联系人.
    public mutating func addContacts(_ elements: Set<String>) {
        changes.fields.give("contacts", elements)
    }

    /// Contacts, 联系人.
    public mutating func removeContacts(_ elements: Set<String>) {
        changes.remove("contacts", elements)
    }

    /// The edit that makes them.
    public func edit(_ id: String) -> RecordEdit {
        .change(recordType: "pairing", id: id, fields: changes.fields.values, removed: changes.removed)
    }
}

/// A stored record: Pairing, 结对.
public struct Pairing: TypedRecord {
    /// `pairing`.
    public static var recordType: String { "pairing" }

    public let stored: StoredRecord

    public init(_ stored: StoredRecord) {
        self.stored = stored
    }

    /// The id.
    public var id: String { stored.id }

    /// The state.
    public var state: String? { stored.state }

    /// Organisation, 单位.
    public var org: String? { stored.reference("org") }

    /// Community, 社区.
    public var community: String? { stored.text("community") }

    /// Batch, 批次.
    public var batch: String? { stored.text("batch") }

    /// From, 起始日期.
    public var fromDate: String? { stored.text("from_date") }

    /// To, 终止日期.
    public var toDate: String? { stored.text("to_date") }

    /// Agreement, 协议.
    public var agreement: Set<String> { Set(stored.elements("agreement")) }

    /// Contacts, 联系人.
    public var contacts: Set<String> { Set(stored.elements("contacts")) }
}

/// Activate, 启动.
public func activatePairing(_ id: String, on: String? = nil, why: String? = nil) -> RecordEdit {
    happened("pairing", id, "activate", [("on", on), ("why", why)])
}

/// End, 终止.
public func endPairing(_ id: String, on: String, why: String? = nil) -> RecordEdit {
    happened("pairing", id, "end", [("on", on), ("why", why)])
}

/// Renew, 续签.
public func renewPairing(_ id: String, on: String, why: String? = nil, until: String? = nil) -> RecordEdit {
    happened("pairing", id, "renew", [("on", on), ("why", why), ("until", until)])
}

/// Categories, 服务类别.
public enum TeamCategories: String, Sendable, CaseIterable {
    /// Environment, 环保清洁.
    case environment = "environment"
    /// Elderly care, 关爱老人.
    case elderly = "elderly"
    /// Child care, 关爱儿童.
    case children = "children"
    /// Disability and hardship, 扶残助困.
    case disability = "disability"
    /// Tutoring, 课业辅导.
    case tutoring = "tutoring"
    /// Counselling, 心理辅导.
    case counselling = "counselling"
    /// Culture, 文化宣传.
    case culture = "culture"
    /// Order and traffic, 治安交通.
    case order = "order"
    /// Safety and policy, 安全与政策宣讲.
    case outreach = "outreach"
    /// Health, 健康服务.
    case health = "health"
    /// Employment, 就业培训.
    case employment = "employment"
    /// Repairs, 便民维修.
    case repair = "repair"
    /// Other, 其他.
    case other = "other"
}

/// A new record: Team, 服务队.
public struct NewTeam: Sendable {
    public var name: String
    public var host: String
    public var leader: String?
    public var members: Set<String>
    public var categories: Set<TeamCategories>
    public var programme: String?
    public var founded: String?

    public init(
        name: String,
        host: String,
        leader: String? = nil,
        members: Set<String> = [],
        categories: Set<TeamCategories> = [],
        programme: String? = nil,
        founded: String? = nil
    ) {
        self.name = name
        self.host = host
        self.leader = leader
        self.members = members
        self.categories = categories
        self.programme = programme
        self.founded = founded
    }

    /// The edit that makes it, with what happened to it at once.
    public func edit(id: String? = nil, events: [NewEvent] = []) -> RecordEdit {
        var fields = Fields()
        fields.give("name", name)
        fields.give("host", host)
        fields.give("leader", leader)
        fields.give("members", members)
        fields.give("categories", categories)
        fields.give("programme", programme)
        fields.give("founded", founded)
        return .create(recordType: "team", id: id, fields: fields.values, events: events)
    }
}

/// Changes of a record: Team, 服务队. What is not named stays.
public struct TeamChange: Sendable {
    private var changes = Changes()

    public init() {}

    /// Name, 名称; `nil` clears it.
    public mutating func name(_ value: String?) {
        changes.fields.set("name", value)
    }

    /// Leader, 队长; `nil` clears it.
    public mutating func leader(_ value: String?) {
        changes.fields.set("leader", value)
    }

    /// Members, 队员.
    public mutating func addMembers(_ elements: Set<String>) {
        changes.fields.give("members", elements)
    }

    /// Members, 队员.
    public mutating func removeMembers(_ elements: Set<String>) {
        changes.remove("members", elements)
    }

    /// Categories, 服务类别.
    public mutating func addCategories(_ elements: Set<TeamCategories>) {
        changes.fields.give("categories", elements)
    }

    /// Categories, 服务类别.
    public mutating func removeCategories(_ elements: Set<TeamCategories>) {
        changes.remove("categories", elements)
    }

    /// Programme, 所属工程; `nil` clears it.
    public mutating func programme(_ value: String?) {
        changes.fields.set("programme", value)
    }

    /// Founded, 成立日期; `nil` clears it.
    public mutating func founded(_ value: String?) {
        changes.fields.set("founded", value)
    }

    /// The edit that makes them.
    public func edit(_ id: String) -> RecordEdit {
        .change(recordType: "team", id: id, fields: changes.fields.values, removed: changes.removed)
    }
}

/// A stored record: Team, 服务队.
public struct Team: TypedRecord {
    /// `team`.
    public static var recordType: String { "team" }

    public let stored: StoredRecord

    public init(_ stored: StoredRecord) {
        self.stored = stored
    }

    /// The id.
    public var id: String { stored.id }

    /// Name, 名称.
    public var name: String? { stored.text("name") }

    /// Host, 所属.
    public var host: String? { stored.reference("host") }

    /// Leader, 队长.
    public var leader: String? { stored.reference("leader") }

    /// Members, 队员.
    public var members: Set<String> { Set(stored.elements("members")) }

    /// Categories, 服务类别.
    public var categories: Set<TeamCategories> { Set(stored.elements("categories").compactMap(TeamCategories.init(rawValue:))) }

    /// Programme, 所属工程.
    public var programme: String? { stored.text("programme") }

    /// Founded, 成立日期.
    public var founded: String? { stored.text("founded") }
}
