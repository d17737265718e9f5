"""What the MPSS DAGs share: the only code here that knows both Airflow and mpss_lib."""
