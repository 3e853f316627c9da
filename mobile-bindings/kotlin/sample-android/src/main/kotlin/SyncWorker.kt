// Syncs now and then while the app is not in front, when the system allows it.

package org.example.lastmile.sample

import android.content.Context
import androidx.work.BackoffPolicy
import androidx.work.Constraints
import androidx.work.CoroutineWorker
import androidx.work.ExistingPeriodicWorkPolicy
import androidx.work.ExistingWorkPolicy
import androidx.work.NetworkType
import androidx.work.OneTimeWorkRequestBuilder
import androidx.work.PeriodicWorkRequestBuilder
import androidx.work.WorkManager
import androidx.work.WorkerParameters
import androidx.work.workDataOf
import java.util.concurrent.TimeUnit
import kotlin.time.Duration.Companion.minutes
import lastmile.core.BackgroundOutcome

/** One step of the sync, below the ten minutes that the system gives. A cancellation by the system ends it at once; what came whole is kept. */
class SyncWorker(context: Context, parameters: WorkerParameters) : CoroutineWorker(context, parameters) {
    override suspend fun doWork(): Result =
        when (val outcome = (applicationContext as SampleApp).device.backgroundStep(9.minutes)) {
            null, is BackgroundOutcome.Done -> Result.success()
            is BackgroundOutcome.More, is BackgroundOutcome.Retry -> Result.retry()
            is BackgroundOutcome.NeedsAttention -> Result.failure(workDataOf("code" to outcome.code))
        }

    companion object {
        private const val REGULAR = "sync"
        private const val SOON = "sync-soon"
        private val connected = Constraints.Builder().setRequiredNetworkType(NetworkType.CONNECTED).build()

        /** Every quarter of an hour, which is the most often that the system allows. */
        fun schedule(context: Context) {
            val request = PeriodicWorkRequestBuilder<SyncWorker>(15, TimeUnit.MINUTES)
                .setConstraints(connected)
                .setBackoffCriteria(BackoffPolicy.EXPONENTIAL, 1, TimeUnit.MINUTES)
                .build()
            WorkManager.getInstance(context).enqueueUniquePeriodicWork(REGULAR, ExistingPeriodicWorkPolicy.KEEP, request)
        }

        /** Once, as soon as there is a network. */
        fun soon(context: Context) {
            val request = OneTimeWorkRequestBuilder<SyncWorker>()
                .setConstraints(connected)
                .setBackoffCriteria(BackoffPolicy.EXPONENTIAL, 1, TimeUnit.MINUTES)
                .build()
            WorkManager.getInstance(context).enqueueUniqueWork(SOON, ExistingWorkPolicy.KEEP, request)
        }
    }
}
