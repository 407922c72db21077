# What most Python images look like, to compare ours with: the whole base, pip's installation, the source. bench/image.py
# builds it. The wheels come from the host here too; they are in a stage of their own so as not to count.
ARG BASE_IMAGE
FROM ${BASE_IMAGE} AS build
ARG ARCH=amd64
COPY docker/wheels/${ARCH} /wheels
COPY app/requirements.txt /requirements.txt
RUN PYTHONPATH="$(ls /wheels/pip-*.whl)" python3 -m pip install --no-index --find-links /wheels --require-hashes \
      --no-cache-dir --root-user-action ignore --target /srv/lib -r /requirements.txt

FROM ${BASE_IMAGE}
COPY --from=build /srv/lib /srv/lib
COPY app /srv/app
ENV PYTHONPATH=/srv/lib
WORKDIR /srv
USER 10001:10001
CMD ["python3", "-m", "app", "serve"]
