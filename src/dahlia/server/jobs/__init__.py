"""Work that outlives requests: the queue, the workers, trainings and exports."""
