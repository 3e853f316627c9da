pluginManagement {
    repositories {
        google()
        mavenCentral()
        gradlePluginPortal()
    }
}

dependencyResolutionManagement {
    repositoriesMode = RepositoriesMode.FAIL_ON_PROJECT_REPOS
    repositories {
        google()
        mavenCentral()
    }
    versionCatalogs { create("libs") { from(files("../gradle/libs.versions.toml")) } }
}

rootProject.name = "lastmile-sample"

// The package from beside, built with the app.
includeBuild("..") {
    dependencySubstitution { substitute(module("lastmile:lastmile")).using(project(":library")) }
}
