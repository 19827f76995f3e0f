"""Academy Course Prerequisite."""
