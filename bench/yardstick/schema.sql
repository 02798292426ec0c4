-- The yardstick's tables, and the rows of one person, of `:days` days.
CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), username varchar(255) UNIQUE NOT NULL, email varchar(255) UNIQUE NOT NULL, password_hash varchar(255) NOT NULL, created_at timestamp DEFAULT CURRENT_TIMESTAMP, updated_at timestamp DEFAULT CURRENT_TIMESTAMP, last_login timestamp, is_active boolean DEFAULT true);
CREATE TABLE sleep_metrics (id serial PRIMARY KEY, oura_id varchar(255) UNIQUE NOT NULL, day date NOT NULL, score int, duration int, created_at timestamp DEFAULT CURRENT_TIMESTAMP, updated_at timestamp DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE activity_metrics (id serial PRIMARY KEY, oura_id varchar(255) UNIQUE NOT NULL, day date NOT NULL, score int, active_calories int, steps int, medium_activity_minutes int, high_activity_minutes int, created_at timestamp DEFAULT CURRENT_TIMESTAMP, updated_at timestamp DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE readiness_metrics (id serial PRIMARY KEY, oura_id varchar(255) UNIQUE NOT NULL, day date NOT NULL, score int, created_at timestamp DEFAULT CURRENT_TIMESTAMP, updated_at timestamp DEFAULT CURRENT_TIMESTAMP);
CREATE INDEX ON sleep_metrics (day);
CREATE INDEX ON activity_metrics (day);
CREATE INDEX ON readiness_metrics (day);
-- Beside the unique ones, as in many a schema.
CREATE INDEX ON sleep_metrics (oura_id);
CREATE INDEX ON activity_metrics (oura_id);
CREATE INDEX ON readiness_metrics (oura_id);
INSERT INTO sleep_metrics (oura_id, day, score, duration) SELECT 's-' || i, current_date - i, 60 + i % 40, 20000 + i % 9000 FROM generate_series(0, :days - 1) i;
INSERT INTO activity_metrics (oura_id, day, score, active_calories, steps, medium_activity_minutes, high_activity_minutes) SELECT 'a-' || i, current_date - i, 60 + i % 40, 400, 8000 + i % 900, 30, 10 FROM generate_series(0, :days - 1) i;
INSERT INTO readiness_metrics (oura_id, day, score) SELECT 'r-' || i, current_date - i, 60 + i % 40 FROM generate_series(0, :days - 1) i;
