// The screens: enrol, the list, recording, finding, the sync, conflicts.

import Lastmile
import SwiftUI

struct MainScreen: View {
    @EnvironmentObject private var device: Device

    var body: some View {
        Group {
            switch device.standing {
            case .opening: ProgressView()
            case .new: EnrolScreen()
            case let .failed(words): Text(words).padding()
            case .ready:
                TabView {
                    ActivitiesScreen().tabItem { Label("tab.activities", systemImage: "list.bullet") }
                    PeopleScreen().tabItem { Label("tab.people", systemImage: "person.2") }
                    SyncScreen().tabItem { Label("tab.sync", systemImage: "arrow.triangle.2.circlepath") }
                        .badge(device.conflicts.count)
                }
            }
        }
        .alert("trouble", isPresented: Binding(get: { device.trouble != nil }, set: { if !$0 { device.trouble = nil } })) {
            Button("ok", role: .cancel) {}
        } message: {
            Text(device.trouble ?? "")
        }
    }
}

struct EnrolScreen: View {
    @EnvironmentObject private var device: Device
    @State private var invite = ""
    @State private var name = ""
    @State private var busy = false

    var body: some View {
        NavigationView {
            Form {
                Section("enrol.invite") {
                    TextEditor(text: $invite)
                        .frame(minHeight: 120)
                        .disableAutocorrection(true)
                        .textInputAutocapitalization(.never)
                    Button("enrol.paste") { invite = UIPasteboard.general.string ?? invite }
                }
                Section("enrol.name") { TextField("enrol.name", text: $name) }
                Button("enrol.go") {
                    Task {
                        busy = true
                        await device.enrol(invite, label: name)
                        busy = false
                    }
                }
                .disabled(busy || invite.isEmpty || name.isEmpty)
            }
            .navigationTitle("enrol.title")
        }
        .navigationViewStyle(.stack)
    }
}

struct ActivitiesScreen: View {
    @EnvironmentObject private var device: Device
    @State private var recording = false

    var body: some View {
        NavigationView {
            List(device.activities) { activity in
                VStack(alignment: .leading) {
                    Text(activity.text("title") ?? "")
                    HStack {
                        Text(activity.text("date") ?? "")
                        if let served = activity.number("beneficiaries") { Text("\(label(of: "beneficiaries")): \(served)") }
                    }
                    .font(.caption)
                    .foregroundColor(.secondary)
                }
            }
            .navigationTitle("tab.activities")
            .toolbar { Button { recording = true } label: { Label("record.title", systemImage: "plus") } }
            .sheet(isPresented: $recording) { RecordScreen() }
        }
        .navigationViewStyle(.stack)
    }
}

struct RecordScreen: View {
    @EnvironmentObject private var device: Device
    @Environment(\.dismiss) private var dismiss
    @State private var title = ""
    @State private var category = ActivityCategory.environment
    @State private var date = Date()
    @State private var served = ""
    @State private var participants: Set<String> = []

    var body: some View {
        NavigationView {
            Form {
                TextField(label(of: "title"), text: $title)
                Picker(label(of: "category"), selection: $category) {
                    ForEach(ActivityCategory.allCases, id: \.self) { Text(label(of: $0)).tag($0) }
                }
                DatePicker(label(of: "date"), selection: $date, displayedComponents: .date)
                TextField(label(of: "beneficiaries"), text: $served).keyboardType(.numberPad)
                NavigationLink {
                    PeopleList(chosen: $participants)
                } label: {
                    HStack {
                        Text("record.participants")
                        Spacer()
                        Text("\(participants.count)").foregroundColor(.secondary)
                    }
                }
            }
            .navigationTitle("record.title")
            .toolbar {
                ToolbarItem(placement: .cancellationAction) { Button("cancel") { dismiss() } }
                ToolbarItem(placement: .confirmationAction) { Button("save", action: save).disabled(title.isEmpty) }
            }
        }
        .navigationViewStyle(.stack)
    }

    private func save() {
        let activity = NewActivity(title: title, category: category, date: civilDate(date), beneficiaries: Int64(served))
        Task { if await device.record(activity, participants: participants) { dismiss() } }
    }
}

struct PeopleScreen: View {
    var body: some View {
        NavigationView { PeopleList(chosen: nil).navigationTitle("tab.people") }
            .navigationViewStyle(.stack)
    }
}

/// Finds people; with a set to choose into, a tap chooses.
struct PeopleList: View {
    @EnvironmentObject private var device: Device
    let chosen: Binding<Set<String>>?
    @State private var text = ""
    @State private var found: [ListedRecord] = []

    var body: some View {
        List(found) { person in
            Button {
                toggle(person.id)
            } label: {
                HStack {
                    Text(person.text("name") ?? "")
                    Spacer()
                    if chosen?.wrappedValue.contains(person.id) == true { Image(systemName: "checkmark") }
                }
            }
            .disabled(chosen == nil)
        }
        .searchable(text: $text, prompt: Text("people.prompt"))
        .task(id: text) {
            let people = await device.people(text)
            // A slower answer to older letters does not show.
            if !Task.isCancelled { found = people }
        }
    }

    private func toggle(_ id: String) {
        guard let chosen else { return }
        if chosen.wrappedValue.remove(id) == nil { chosen.wrappedValue.insert(id) }
    }
}

struct SyncScreen: View {
    @EnvironmentObject private var device: Device

    var body: some View {
        NavigationView {
            List {
                if let sync = device.sync {
                    Section {
                        Text(words(for: sync.phase))
                        row("sync.unsent", "\(sync.unsentChanges)")
                        if let last = sync.lastSuccess { row("sync.last", last.formatted(date: .abbreviated, time: .shortened)) }
                        if sync.revoked { Text("sync.revoked").foregroundColor(.red) }
                        ForEach(Array(sync.refused.enumerated()), id: \.offset) { Text($0.element.code) }
                    }
                }
                Button("sync.now") { Task { await device.syncNow() } }
                ForEach(device.conflicts, id: \.id) { record in
                    ForEach(record.conflicts.filter { $0.kind == .undecided }, id: \.field) { conflict in
                        Section("\(record.text("title") ?? record.id) · \(label(of: conflict.field))") {
                            ForEach(conflict.sides, id: \.origin.change) { side in
                                Button(words(for: side.value)) { Task { await device.decide(record, conflict, side) } }
                            }
                        }
                    }
                }
            }
            .navigationTitle("tab.sync")
        }
        .navigationViewStyle(.stack)
    }

    private func row(_ title: LocalizedStringKey, _ value: String) -> some View {
        HStack {
            Text(title)
            Spacer()
            Text(value).foregroundColor(.secondary)
        }
    }
}
